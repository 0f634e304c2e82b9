"""Takes authentic callbacks: stores what is new, moves the job's state, tells the other services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.callback import CallbackBody, Heartbeat, Outcome, Refused
from contracts.events import EndCause, JobFinished, JobStarted
from runtime import log
from runtime.db import Database, now
from runtime.errors import Conflict, Invalid
from services.metrics import items, jobs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from contracts.callback import Final
    from runtime.outbox import Outbox
    from services.metrics.auth import Sender
    from services.metrics.items import Draft
    from services.metrics.models import Job
    from services.metrics.publisher import Publisher


class Intake:
    """Where callbacks enter."""

    def __init__(self, db: Database, outbox: Outbox, publisher: Publisher, *, grace_seconds: float) -> None:
        """Wire the intake.

        Args:
            db: Where jobs and items are.
            outbox: For job.started.v1 and job.finished.v1.
            publisher: Tells viewers after the commit.
            grace_seconds: How long after a job's end late reports are still taken.
        """
        self._db = db
        self._outbox = outbox
        self._publisher = publisher
        self._grace_seconds = grace_seconds

    def accept(self, job_id: str, sender: Sender, body: CallbackBody) -> None:
        """Store a callback; one that was stored before changes nothing.

        Raises:
            Refused: The job was launched by this platform and the callback is not version 2.
            Invalid: The body names another attempt than the signature.
            Conflict: The attempt is older than the present one, or ended too long ago.
        """
        if sender.attempt is not None and sender.attempt != body.attempt:
            raise Invalid(
                f"attempt: the body says {body.attempt}, the signature is for {sender.attempt}",
                {"attempt": [f"must be {sender.attempt}"]},
            )
        with log.bound(job_id=job_id), self._db.write() as session:
            job = jobs.lock(session, job_id)
            self._admit(job, sender, body.attempt)
            job.last_seen = now()
            heartbeat = _newer(job, body.heartbeat)
            new = jobs.append(session, job, self._drafts(session, job, body))
            last_seq = job.last_seq
        self._publisher.publish(job_id, new, heartbeat, last_seq)

    def _admit(self, job: Job, sender: Sender, attempt: int) -> None:
        if sender.attempt is not None:
            job.launched = True
        elif job.launched:
            raise Refused("this platform launched the job, so only version 2 callbacks are accepted for it")
        if attempt < job.attempt:
            raise Conflict(f"attempt {attempt} is over: attempt {job.attempt} has begun")
        jobs.begin_attempt(job, attempt)
        if job.ended_at is not None and (now() - job.ended_at).total_seconds() > self._grace_seconds:
            raise Conflict(f"attempt {attempt} ended as {job.state} at {job.ended_at:%Y-%m-%d %H:%M:%S} UTC")

    def _drafts(self, session: Session, job: Job, body: CallbackBody) -> list[Draft]:
        drafts = []
        if not jobs.has_ended(job) and job.state not in (items.RUNNING, items.INTERRUPTED):
            drafts.append(jobs.move(job, items.RUNNING))
            self._outbox.emit(session, JobStarted(job_id=job.job_id, attempt=job.attempt))
        drafts += [items.point(job.attempt, point) for point in body.points]
        drafts += [items.evaluation(job.attempt, evaluation, now()) for evaluation in body.evaluations]
        if body.final is not None and not jobs.has_ended(job):
            drafts += self._end(session, job, body.final)
        return drafts

    def _end(self, session: Session, job: Job, final: Final) -> list[Draft]:
        # A trainer that was told to stop does not know why: another attempt may follow, and viewers wait for it
        interrupted = job.launched and final.outcome is Outcome.CANCELLED
        if interrupted and job.state == items.INTERRUPTED:
            return []
        drafts = []
        if final.artifacts:
            drafts.append(items.artifacts(job.attempt, final.artifacts, now()))
        # Last, because a stream closes behind it
        state = items.INTERRUPTED if interrupted else final.outcome.value
        drafts.append(jobs.move(job, state, final.reason, final.metrics))
        self._outbox.emit(
            session,
            JobFinished(
                job_id=job.job_id,
                attempt=job.attempt,
                outcome=final.outcome,
                reason=job.reason,
                metrics=final.metrics,
                artifacts=final.artifacts,
                cause=EndCause.INTERRUPTED if interrupted else None,
            ),
        )
        return drafts


def _newer(job: Job, heartbeat: Heartbeat | None) -> Heartbeat | None:
    """Keep a heartbeat unless a later one came first."""
    if heartbeat is None:
        return None
    if job.heartbeat is not None and Heartbeat.model_validate_json(job.heartbeat).at >= heartbeat.at:
        return None
    job.heartbeat = heartbeat.model_dump_json()
    return heartbeat
