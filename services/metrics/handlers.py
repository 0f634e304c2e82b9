"""What the queue `metrics` tells of jobs: they are launched, they may end without a word of their trainer, they are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import topology
from contracts.callback import Outcome
from contracts.events import (
    PASSING,
    JobDeleted,
    JobEnded,
    JobFinished,
    JobLaunched,
    JobLaunchRequested,
    JobLost,
    WorkAbandoned,
)
from runtime.db import now
from services.metrics import deletion, items, jobs
from services.metrics.publisher import News

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from runtime.bus import Work
    from services.metrics.items import Draft, Numbered
    from services.metrics.jobs import LockedJob
    from services.metrics.publisher import Publisher


_DELETED_AT_ONCE = 1000  # items; SQLite's one writer was held for 21 ms by them, on a busy machine


class Handlers:
    """Handlers of the events on the queue `metrics`."""

    def __init__(self, publisher: Publisher) -> None:
        """Take what tells viewers after a commit."""
        self._publisher = publisher

    def table(self) -> dict[str, Callable[[Any, Work], None]]:
        """Give the handler of each event."""
        return {
            JobLaunchRequested.NAME: self.launch_requested,
            JobLaunched.NAME: self.launched,
            JobFinished.NAME: self.finished,
            JobLost.NAME: self.lost,
            JobEnded.NAME: self.ended,
            JobDeleted.NAME: self.deleted,
            WorkAbandoned.NAME: self.abandoned,
        }

    def launch_requested(self, event: JobLaunchRequested, work: Work) -> None:
        """Register the attempt: from now on only version 2 callbacks are accepted for the job."""
        with work.finish() as session:
            job = jobs.lock(session, event.job_id)
            job.launched = True
            begun = jobs.begin_attempt(job, event.attempt)
            new = jobs.append(session, job, [jobs.move(job, items.QUEUED)] if begun else [])
        self._tell(job, new)

    def launched(self, event: JobLaunched, work: Work) -> None:
        """Say that a container or process runs, unless its trainer was faster."""
        with work.finish() as session:
            job = jobs.lock(session, event.job_id)
            job.launched = True
            jobs.begin_attempt(job, event.attempt)
            waits = job.attempt == event.attempt and job.state == items.QUEUED
            if waits:
                job.last_seen = now()  # its silence counts from here
            new = jobs.append(session, job, [jobs.move(job, items.LAUNCHING)] if waits else [])
        self._tell(job, new)

    def finished(self, event: JobFinished, work: Work) -> None:
        """Append the end, unless the trainer's own report did; one that another attempt may follow only interrupts."""
        with work.finish() as session:
            job = jobs.lock(session, event.job_id)
            drafts = []
            if event.artifacts:
                drafts.append(items.artifacts(event.attempt, event.artifacts, now()))
            state = items.INTERRUPTED if event.cause in PASSING else event.outcome.value
            new = _end(session, job, event.attempt, state, event.reason, event.metrics, drafts)
        self._tell(job, new)

    def lost(self, event: JobLost, work: Work) -> None:
        """Say that the provider no longer knows the attempt; another one may follow."""
        with work.finish() as session:
            job = jobs.lock(session, event.job_id)
            new = _end(session, job, event.attempt, items.INTERRUPTED, event.reason)
        self._tell(job, new)

    def ended(self, event: JobEnded, work: Work) -> None:
        """Append the end of the job, unless its last attempt's was one: no other attempt follows."""
        with work.finish() as session:
            job = jobs.lock(session, event.job_id)
            job.launched = True
            new = _end(session, job, event.attempt, event.outcome.value, event.reason)
        self._tell(job, new)

    def deleted(self, event: JobDeleted, work: Work) -> None:
        """Delete a job's items, in transactions that callbacks of other jobs do not wait long for."""
        left = True
        while left:
            with work.checkpoint() as session:
                left = deletion.forget(session, event.job_id, _DELETED_AT_ONCE)
        with work.finish():
            pass

    def abandoned(self, event: WorkAbandoned, work: Work) -> None:
        """End a job that could not be launched; other abandoned work does not stop a trainer."""
        with work.finish() as session:
            if (event.queue, event.event) != (topology.LAUNCHER, JobLaunchRequested.NAME):
                return
            job = jobs.find(session, event.subject)
            if job is None or job.state == items.RUNNING:
                return
            attempt = event.job_attempt or job.attempt
            new = _end(session, job, attempt, Outcome.FAILED.value, f"could not be launched: {event.reason}")
        self._tell(job, new)

    def _tell(self, job: LockedJob, new: list[Numbered]) -> None:
        self._publisher.publish([News(job.job_id, new, None, job.last_seq)])


def _end(
    session: Session,
    job: LockedJob,
    attempt: int,
    state: str,
    reason: str,
    metrics: dict[str, float] | None = None,
    drafts: list[Draft] | None = None,
) -> list[Numbered]:
    jobs.begin_attempt(job, attempt)
    over = attempt < job.attempt or jobs.has_ended(job)
    told = [] if over else [*(drafts or []), jobs.move(job, state, reason, metrics)]
    return jobs.append(session, job, told)
