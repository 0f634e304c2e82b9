"""Tells of jobs that should run and are not heard, so that the launcher can tell a job that hangs from one that is well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select

from contracts.events import JobSilent
from runtime import log
from runtime.db import now
from services.metrics import items
from services.metrics.models import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.db import Database
    from runtime.outbox import Outbox

# An interrupted one has said that it ends; whether it does, its provider may not know
_ALIVE = (items.LAUNCHING, items.RUNNING, items.INTERRUPTED)
LOOKS = 4  # in the time after which silence is told


class SilenceWatch:
    """Looks again and again. It counts silence only while it does, for what it slept through nobody could have said."""

    def __init__(
        self, db: Database, outbox: Outbox, seconds: float, clock: Callable[[], datetime] = now
    ) -> None:
        """Take the collaborators; seconds is the silence that is told, and how often it is told again."""
        self._db = db
        self._outbox = outbox
        self._told_after = timedelta(seconds=seconds)
        self._clock = clock
        self._listening_since = self._looked_at = clock()

    def look(self) -> None:
        """Tell of the jobs that were not heard for long enough, each at most so often. Several watches may run at once."""
        self._db.check()  # without it nobody is heard
        at = self._clock()
        if at - self._looked_at > self._told_after:
            self._listening_since = at
        since = at - self._told_after
        if self._listening_since <= since:
            self._tell(at, since)
        self._looked_at = at

    def _tell(self, at: datetime, since: datetime) -> None:
        alive = and_(Job.launched, Job.state.in_(_ALIVE))
        quiet = or_(Job.last_seen.is_(None), Job.last_seen <= since)
        untold = or_(Job.silence_told_at.is_(None), Job.silence_told_at <= since)
        with self._db.read() as session:
            found = session.scalars(select(Job.job_id).where(alive, quiet, untold)).all()
            if not found:
                return
            running = session.scalar(select(func.count()).where(alive)) or 0
            heard = session.scalar(select(func.count()).where(alive, ~quiet)) or 0
        for job_id in found:
            with log.bound(job_id=job_id), self._db.write() as session:
                # Under its lock: a callback may have come since
                job = session.scalars(
                    select(Job).where(Job.job_id == job_id, alive, quiet, untold).with_for_update()
                ).first()
                if job is None:
                    continue
                job.silence_told_at = at
                self._outbox.emit(
                    session,
                    JobSilent(
                        job_id=job_id,
                        attempt=job.attempt,
                        since=max(job.last_seen or self._listening_since, self._listening_since),
                        until=at + 2 * self._told_after,
                        everyone=running > 1 and heard == 0,
                    ),
                )
