"""Messages in and out: the consumer that claims, handles and settles deliveries, and the bell."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from sqlalchemy.exc import InterfaceError, OperationalError

from contracts.events import WorkAbandoned
from runtime import log
from runtime.db import Database, unix_now
from runtime.errors import Transient, Unavailable
from runtime.leases import Leases
from runtime.outbox import DEAD, HANDLED, Lease, LeaseLost, Outbox, claim, pass_on, subject_of
from runtime.pauses import jittered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.orm import Session

BELL = "triptych:bell"
_LONGEST_PAUSE = 300.0  # seconds: a store that is back is found so within minutes
_TRANSIENT = (
    Transient,
    OperationalError,
    InterfaceError,
    redis.ConnectionError,
    redis.TimeoutError,
    ConnectionError,
    TimeoutError,
)
_log = logging.getLogger(__name__)


class Bell:
    """Wakes the relay at once after a commit; without it the relay looks by itself every second."""

    def __init__(self, redis_url: str, *, pause_seconds: float = 5.0) -> None:
        # Short limits: a dead Redis must not hold up the request that rings
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=0.5)
        self._pause_seconds = pause_seconds
        self._silent_until = 0.0

    def ring(self) -> None:
        """Ring; where Redis was found away a moment ago, do nothing."""
        if time.monotonic() < self._silent_until:
            return
        try:
            with self._redis.pipeline() as pipe:
                pipe.lpush(BELL, 1)
                pipe.ltrim(BELL, 0, 0)
                pipe.execute()
        except redis.RedisError:
            self._silent_until = time.monotonic() + self._pause_seconds
            _log.warning("redis is away: events wait for the relay's next look")

    def wait(self, seconds: float) -> None:
        """Wait for a ring, at most so long."""
        self._redis.blpop([BELL], timeout=seconds)

    def waiting(self, queue: str) -> int:
        """Count the messages that wait in a queue; raises when Redis does not answer."""
        return int(self._redis.llen(queue))

    def check(self) -> None:
        """Raise when Redis does not answer."""
        self._redis.ping()


class Work:
    """One delivery in the hands of a handler, which must end it by `finish`, once, and may emit events by `outbox`."""

    def __init__(self, db: Database, outbox: Outbox, lease: Lease) -> None:
        self._db = db
        self.outbox = outbox
        self._lease = lease
        self.attempt = lease.attempts
        self.finished = False

    @contextmanager
    def checkpoint(self) -> Iterator[Session]:
        """Open a transaction for writes along the way, which also shows that the handler gets on.

        Raises:
            LeaseLost: Another worker has taken over; stop at once.
        """
        with self._db.write() as session:
            self._lease.change(session, last_error="")
            yield session
        self._lease.progressed_at = time.monotonic()

    @contextmanager
    def finish(self) -> Iterator[Session]:
        """Open the transaction of the handler's effects; its commit also marks the delivery handled.

        Raises:
            LeaseLost: Another worker has taken over; nothing is written.
        """
        with self._db.write() as session:
            self._lease.change(session, state=HANDLED, handled_at=unix_now(), last_error="", stuck_since=None)
            yield session
        self.finished = True


class Consumer:
    """Receives the messages of one queue."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        queue: str,
        handlers: Mapping[str, Callable[[Any, Work], None]],
        *,
        lease_seconds: float = 60.0,
        work_max_seconds: float = 7200.0,
        max_attempts: int = 3,
        retry_seconds: float = 2.0,
        wait_seconds: float = 86_400.0,
        clock: Callable[[], float] = unix_now,
    ) -> None:
        """Wire the consumer.

        Args:
            db: Where the deliveries are.
            outbox: For what handlers tell.
            queue: The queue it serves.
            handlers: By event name.
            lease_seconds: After these a dead worker's delivery is another's.
            work_max_seconds: After these without a checkpoint, a handler has lost its delivery.
            max_attempts: Tries after which a delivery is dead.
            retry_seconds: Pause before the second try; doubles each time.
            wait_seconds: How long a store or a disk is waited for, which counts as no try.
            clock: Tells the time, in Unix seconds.
        """
        self._db = db
        self._outbox = outbox
        self._queue = queue
        self._handlers = handlers
        self._lease_seconds = lease_seconds
        self._max_attempts = max_attempts
        self._retry_seconds = retry_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock
        self.leases = Leases(db, lease_seconds=lease_seconds, work_max_seconds=work_max_seconds)

    def receive(self, delivery_id: int) -> None:
        """Handle one delivery, if it is still to be handled and nobody else is at it."""
        with self.leases.working():
            with self._db.write() as session:
                if self.leases.closed:
                    pass_on(session, delivery_id)
                    return
                lease = claim(session, delivery_id, self._queue, seconds=self._lease_seconds)
            if lease is None:
                return
            with log.bound(**lease.envelope.correlation), self.leases.kept(lease):
                try:
                    self._handle(lease)
                except LeaseLost:
                    _log.warning("lost the lease", extra={"event": lease.envelope.event})

    def _handle(self, lease: Lease) -> None:
        name = lease.envelope.event
        try:
            work = Work(self._db, self._outbox, lease)
            self._handlers[name](lease.envelope.decode(), work)
            if not work.finished:
                raise RuntimeError(f"the handler of {name} returned without finishing its work")  # noqa: TRY301 - settled like any defect
            _log.info("handled", extra={"event": name, "attempt": lease.attempts})
        except LeaseLost:
            raise
        except Unavailable as error:
            _log.warning("waits for a store or a disk", extra={"event": name, "error": str(error)})
            self._wait(lease, str(error))
        except _TRANSIENT as error:
            _log.warning("will try again", extra={"event": name, "error": str(error)})
            self._retry(lease, str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a defect must end its delivery, not the worker
            _log.exception("cannot be handled", extra={"event": name})
            self._bury(lease, f"{type(error).__name__}: {error}")

    def _retry(self, lease: Lease, reason: str) -> None:
        if lease.attempts >= self._max_attempts:
            self._bury(lease, reason)
            return
        due_at = self._clock() + jittered(self._retry_seconds * 2 ** (lease.attempts - 1))
        with self._db.write() as session:
            lease.change(session, lease_until=0.0, due_at=due_at, last_error=reason)

    def _wait(self, lease: Lease, reason: str) -> None:
        now = self._clock()
        since = now if lease.stuck_since is None else lease.stuck_since
        if now - since >= self._wait_seconds:
            self._bury(lease, f"waited {(now - since) / 3600:.1f} h for the store or a disk: {reason}")
            return
        # As long as the wait so far, so that pauses grow by themselves
        pause = jittered(min(max(self._retry_seconds, now - since), _LONGEST_PAUSE))
        with self._db.write() as session:
            lease.change(
                session,
                lease_until=0.0,
                due_at=now + pause,
                # The relay shall not take its message for one that still waits in the queue
                published=0,
                attempts=lease.attempts - 1,
                stuck_since=since,
                last_error=reason,
            )

    def _bury(self, lease: Lease, reason: str) -> None:
        with self._db.write() as session:
            bury(session, self._outbox, lease, self._queue, reason)


def is_transient(error: Exception) -> bool:
    """Tell whether a handler that raised this is called again."""
    return isinstance(error, _TRANSIENT)


def bury(session: Session, outbox: Outbox, lease: Lease, queue: str, reason: str) -> None:
    """Mark a delivery dead and tell it, so that the data set, job or prediction it was about ends with a reason.

    Raises:
        LeaseLost: The lease is no longer held.
    """
    now = unix_now()
    since = now if lease.stuck_since is None else lease.stuck_since
    lease.change(session, state=DEAD, handled_at=now, stuck_since=since, last_error=reason)
    data = lease.envelope.data
    if lease.envelope.event != WorkAbandoned.NAME:
        outbox.emit(
            session,
            WorkAbandoned(
                queue=queue,
                event=lease.envelope.event,
                subject=subject_of(data),
                attempts=lease.attempts,
                reason=reason,
                job_attempt=data.get("attempt"),
            ),
        )
