"""The states of training jobs, and every change of them, each guarded by compare-and-set.

created → queued → launching → running → succeeded | failed | cancelled | timed_out. The last four are final. A job whose
attempt ended by nobody's fault goes back to queued instead, as its next attempt (retries.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from contracts.callback import Outcome
from contracts.events import UNHEARD, JobEnded
from runtime.db import now
from services.api import changes, webhooks
from services.api.models import Job, JobStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from runtime.outbox import Outbox

FINAL = ("succeeded", "failed", "cancelled", "timed_out")
LIVE = ("queued", "launching", "running")
_HEARD_LATE = "its trainer's own report arrived after all"
STATES = ("created", *LIVE, *FINAL)
_BEFORE = {
    "queued": ("created",),
    "launching": ("queued",),
    "running": ("queued", "launching"),
    **dict.fromkeys(FINAL, ("created", *LIVE)),
}


def move(session: Session, job: Job, state: str, reason: str | None = None, **values: Any) -> bool:
    """Change a job's state if its present one, of this attempt, allows it; `finish` is for those that are final.

    Returns:
        Whether it did.
    """
    moved = session.execute(
        update(Job)
        .where(Job.id == job.id, Job.attempt == job.attempt, Job.state.in_(_BEFORE[state]))
        .values(state=state, reason=reason, **values)
        .returning(Job.id)
    ).first()
    if moved is None:
        return False
    session.add(JobStep(job_id=job.id, attempt=job.attempt, state=state, reason=reason))
    session.refresh(job)
    changes.note(session, job)
    return True


def finish(session: Session, outbox: Outbox, job: Job, state: str, reason: str | None = None) -> bool:
    """End a job and tell of it, unless it has ended.

    Returns:
        Whether it did; a final state never changes again, but by `overrule`.
    """
    if not move(session, job, state, reason, finished_at=now()):
        return False
    outbox.emit(
        session,
        JobEnded(job_id=job.id, attempt=job.attempt, outcome=Outcome(state), reason=reason or ""),
    )
    webhooks.announce(session, job)
    return True


def overrule(session: Session, outbox: Outbox, job: Job) -> bool:
    """Let a job have succeeded that had failed because its trainer was not heard, now that it was.

    Returns:
        Whether it did; every other final state stays.
    """
    moved = session.execute(
        update(Job)
        .where(Job.id == job.id, Job.attempt == job.attempt, Job.state == "failed", Job.reason == UNHEARD)
        .values(state="succeeded", reason=None)
        .returning(Job.id)
    ).first()
    if moved is None:
        return False
    session.add(JobStep(job_id=job.id, attempt=job.attempt, state="succeeded", reason=_HEARD_LATE))
    session.refresh(job)
    changes.note(session, job)
    outbox.emit(session, JobEnded(job_id=job.id, attempt=job.attempt, outcome=Outcome.SUCCEEDED))
    webhooks.announce(session, job)
    return True


def next_attempt(
    session: Session, job: Job, states: Sequence[str], reason: str | None = None, **values: Any
) -> bool:
    """Queue a job as its next attempt, if it is in one of some states.

    Returns:
        Whether it was.
    """
    again = session.execute(
        update(Job)
        .where(Job.id == job.id, Job.attempt == job.attempt, Job.state.in_(states))
        .values(
            state="queued",
            attempt=job.attempt + 1,
            reason=reason,
            cancel_requested=False,
            launch_requested=False,
            launcher=None,
            handle=None,
            started_at=None,
            finished_at=None,
            metrics={},
            artifacts=[],
            **values,
        )
        .returning(Job.id)
    ).first()
    if again is None:
        return False
    session.refresh(job)
    changes.note(session, job)
    session.add(JobStep(job_id=job.id, attempt=job.attempt, state="queued", reason=reason))
    return True
