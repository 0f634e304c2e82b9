"""What follows when an attempt ends: the job's end, or its next attempt, which goes on from the checkpoint of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import PASSING, EndCause, JobFinished, JobLost
from runtime.pauses import jittered
from services.api import datasets, job_states, jobs
from services.api.models import JobStep

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.outbox import Outbox
    from services.api.models import Job

# A provider without room will not have some at once, nor a store be back; the other causes are gone with the machine
_SLOW = {EndCause.CAPACITY, EndCause.RECLAIMED, EndCause.STORE}
_PAUSE_AT_MOST = 1800.0


@dataclass(frozen=True)
class End:
    """How an attempt ended.

    Attributes:
        outcome: What the job becomes, unless it is tried again.
        reason: For its owner.
        cause: Why, where whoever tells of it knows.
        ran_seconds: How long it ran, where the launcher tells of it.
    """

    outcome: Outcome
    reason: str
    cause: EndCause | None = None
    ran_seconds: float = 0.0

    @classmethod
    def of(cls, event: JobFinished | JobLost) -> End:
        """Take it out of an event."""
        if isinstance(event, JobLost):
            return cls(Outcome.FAILED, event.reason, EndCause.LOST, event.ran_seconds)
        return cls(event.outcome, event.reason, event.cause, event.ran_seconds)


def settle(session: Session, outbox: Outbox, job: Job, end: End, pause_seconds: float) -> None:
    """End a job, or queue its next attempt, because its present attempt has ended.

    Args:
        session: A write transaction.
        outbox: For what is told of it.
        job: At the attempt that has ended.
        end: How.
        pause_seconds: Before the first retry where the provider had no room or the store was away; doubles with each.
    """
    attempt = job.attempt
    # In the order in which start and retry lock
    dataset = datasets.get(session, job.dataset_id, lock=True)
    session.refresh(job, with_for_update=True)
    if job.attempt != attempt or job.state in job_states.FINAL:
        return
    cancelled = job.cancel_requested
    if end.outcome is Outcome.CANCELLED and end.cause is EndCause.INTERRUPTED and not cancelled:
        return  # the trainer's own word: the launcher will say who stopped it
    if end.cause not in PASSING:
        job_states.finish(session, outbox, job, end.outcome.value, end.reason or None)
        return
    ran, most = job.ran_seconds + end.ran_seconds, job.settings["resources"]["max_seconds"]
    if cancelled:
        job_states.finish(
            session, outbox, job, "cancelled", f"cancelled on request; before that it ended: {end.reason}"
        )
    elif job.attempt >= job.last_attempt:
        job_states.finish(session, outbox, job, "failed", _given_up(job, end.reason))
    elif ran >= most:
        reason = f"its attempts ran {ran:.0f} s, and max_seconds is {most}; the last one ended: {end.reason}"
        job_states.finish(session, outbox, job, "timed_out", reason)
    else:
        session.add(JobStep(job_id=job.id, attempt=attempt, state="interrupted", reason=end.reason))
        delay = _pause(job, pause_seconds) if end.cause in _SLOW else 0.0
        wait = f", in {delay:.0f} s" if delay else ""
        reason = f"tried again by itself, as attempt {attempt + 1} of {job.last_attempt}{wait}"
        job_states.next_attempt(session, job, job_states.LIVE, reason, ran_seconds=ran)
        jobs.launch_if_ready(session, outbox, job, dataset, delay_seconds=delay)


def _given_up(job: Job, reason: str) -> str:
    tries = 1 + job.settings["resources"].get("max_retries", 0)
    return f"given up after {tries} attempts; the last one ended: {reason}" if tries > 1 else reason


def _pause(job: Job, seconds: float) -> float:
    """Exponential backoff with jitter, so that jobs that lost their machines together do not ask for new ones together."""
    done = job.settings["resources"]["max_retries"] - (job.last_attempt - job.attempt)
    longest = min(seconds * 2.0**done, _PAUSE_AT_MOST)
    return jittered(longest)
