"""Takes authentic callbacks: stores what is new, moves the job's state, tells the other services."""

from __future__ import annotations

import logging
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from contracts.callback import CallbackBody, Heartbeat, Outcome, Refused
from contracts.events import EndCause, JobFinished, JobStarted
from runtime import log
from runtime.db import Database, now
from runtime.errors import Conflict, Invalid
from services.metrics import items, jobs
from services.metrics.publisher import News
from services.metrics.together import Together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from contracts.callback import Final
    from runtime.outbox import Outbox
    from services.metrics.auth import Sender
    from services.metrics.herald import Tells
    from services.metrics.items import Draft
    from services.metrics.jobs import LockedJob


_log = logging.getLogger(__name__)
_MOST_TOGETHER = 32  # callbacks in one transaction; each may hold a thousand points


@dataclass(frozen=True, slots=True)
class _Callback:
    job_id: str
    sender: Sender
    body: CallbackBody
    # of the request: another's thread may store this callback, and its events carry the ids bound here
    context: Context


@dataclass(slots=True)
class _Told:
    """What a transaction adds to one job."""

    job: LockedJob
    drafts: list[Draft] = field(default_factory=list)
    heartbeat: Heartbeat | None = None
    taken: bool = False  # where every callback was refused, nothing is written


class Intake:
    """Where callbacks enter. Those that come at the same time are stored by one transaction."""

    def __init__(
        self, db: Database, outbox: Outbox, publisher: Tells, *, grace_seconds: float, most_items: int
    ) -> None:
        """Wire the intake.

        Args:
            db: Where jobs and items are.
            outbox: For job.started.v1 and job.finished.v1.
            publisher: Tells viewers after the commit.
            grace_seconds: How long after a job's end late reports are still taken.
            most_items: A job that has so many keeps no further points and evaluations; 0 for no limit.
        """
        self._db = db
        self._outbox = outbox
        self._publisher = publisher
        self._grace_seconds = grace_seconds
        self._most_items = most_items
        self._together = Together(self._store_each, _MOST_TOGETHER)

    def accept(self, job_id: str, sender: Sender, body: CallbackBody) -> None:
        """Store a callback; one that was stored before changes nothing. On return it is committed.

        Raises:
            Refused: The job was launched by this platform and the callback is not version 2.
            Invalid: The body names another attempt than the signature.
            Conflict: The attempt is older than the present one, or ended too long ago, or its job was deleted.
        """
        if sender.attempt is not None and sender.attempt != body.attempt:
            raise Invalid(
                f"attempt: the body says {body.attempt}, the signature is for {sender.attempt}",
                {"attempt": [f"must be {sender.attempt}"]},
            )
        with log.bound(job_id=job_id):
            self._together.do(_Callback(job_id, sender, body, copy_context()))

    def _store_each(self, callbacks: Sequence[_Callback]) -> list[Exception | None]:
        """Store callbacks; one that the database will not have must not cost the others their place."""
        try:
            return self._store(callbacks)
        except OperationalError:  # the database is away, for all of them
            raise
        except Exception:
            if len(callbacks) == 1:
                raise
        errors: list[Exception | None] = []
        for callback in callbacks:
            try:
                errors += self._store([callback])
            except Exception as error:  # noqa: BLE001 - its own thread raises it
                errors.append(error)
        return errors

    def _store(self, callbacks: Sequence[_Callback]) -> list[Exception | None]:
        errors: list[Exception | None] = []
        with self._db.write() as session:
            locked = jobs.lock_all(session, (callback.job_id for callback in callbacks))
            told = {job_id: _Told(job) for job_id, job in locked.items()}
            for callback in callbacks:
                try:
                    callback.context.run(self._take, session, told[callback.job_id], callback)
                except (Refused, Conflict) as error:
                    errors.append(error)
                else:
                    errors.append(None)
            taken = [each for each in told.values() if each.taken]
            new = jobs.append_all(session, [(each.job, each.drafts) for each in taken])
            news = [
                News(each.job.job_id, numbered, each.heartbeat, each.job.last_seq)
                for each, numbered in zip(taken, new, strict=True)
            ]
        self._publisher.publish(news)
        return errors

    def _take(self, session: Session, told: _Told, callback: _Callback) -> None:
        job, body = told.job, callback.body
        self._admit(job, callback.sender, body.attempt)
        if job.heartbeat is None:  # of an attempt that is over, if there was one
            told.heartbeat = None
        job.last_seen = now()
        told.heartbeat = _newer(job, body.heartbeat) or told.heartbeat
        told.drafts += self._drafts(session, job, body)
        told.taken = True

    def _admit(self, job: LockedJob, sender: Sender, attempt: int) -> None:
        """Let a callback in, and a newer attempt begin; a callback that is refused changes nothing."""
        if sender.attempt is None and job.launched:
            raise Refused("this platform launched the job, so only version 2 callbacks are accepted for it")
        if job.state == items.DELETED:
            raise Conflict("the job was deleted")
        if attempt < job.attempt:
            raise Conflict(f"attempt {attempt} is over: attempt {job.attempt} has begun")
        if (
            attempt == job.attempt
            and job.ended_at is not None
            and (now() - job.ended_at).total_seconds() > self._grace_seconds
        ):
            raise Conflict(f"attempt {attempt} ended as {job.state} at {job.ended_at:%Y-%m-%d %H:%M:%S} UTC")
        job.launched = job.launched or sender.attempt is not None
        jobs.begin_attempt(job, attempt)

    def _drafts(self, session: Session, job: LockedJob, body: CallbackBody) -> list[Draft]:
        drafts = []
        if not jobs.has_ended(job) and job.state not in (items.RUNNING, items.INTERRUPTED):
            drafts.append(jobs.move(job, items.RUNNING))
            self._outbox.emit(session, JobStarted(job_id=job.job_id, attempt=job.attempt))
        if self._has_room(job):
            drafts += [items.point(job.attempt, point) for point in body.points]
            drafts += [items.evaluation(job.attempt, evaluation, now()) for evaluation in body.evaluations]
        if body.final is not None and not jobs.has_ended(job):
            drafts += self._end(session, job, body.final)
        return drafts

    def _has_room(self, job: LockedJob) -> bool:
        """Tell whether a job may have more items; how it goes and ends is kept in any case."""
        if not self._most_items or job.last_seq < self._most_items:
            return True
        _log.warning("a job's points are left out: it has MAX_ITEMS_PER_JOB", extra={"items": job.last_seq})
        return False

    def _end(self, session: Session, job: LockedJob, final: Final) -> list[Draft]:
        # A trainer that was told to stop does not know why, and one that failed by nobody's fault not what follows: another
        # attempt may, and viewers wait for it
        interrupted = job.launched and (final.outcome is Outcome.CANCELLED or final.passing)
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
                outcome=Outcome.CANCELLED if interrupted else final.outcome,
                reason=job.reason,
                metrics=final.metrics,
                artifacts=final.artifacts,
                cause=EndCause.INTERRUPTED if interrupted else None,
            ),
        )
        return drafts


def _newer(job: LockedJob, heartbeat: Heartbeat | None) -> Heartbeat | None:
    """Keep a heartbeat unless a later one came first."""
    if heartbeat is None:
        return None
    if job.heartbeat is not None and Heartbeat.model_validate_json(job.heartbeat).at >= heartbeat.at:
        return None
    job.heartbeat = heartbeat.model_dump_json()
    return heartbeat
