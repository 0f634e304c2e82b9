"""The leases that this process holds: renewed while their handlers get on, given up when they hang or it stops."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.db import unix_now
from runtime.outbox import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.db import Database
    from runtime.outbox import Lease

_log = logging.getLogger(__name__)


class Leases:
    """Keeps the leases of the handlers at work in this process."""

    def __init__(self, db: Database, *, lease_seconds: float, work_max_seconds: float) -> None:
        """Take the limits.

        Args:
            db: Where the deliveries are.
            lease_seconds: How long a lease lasts unless renewed, which it is three times in that.
            work_max_seconds: Longest time a handler may go without a checkpoint; a thread cannot be ended, so its
                lease is, and its later writes are refused.
        """
        self._db = db
        self._lease_seconds = lease_seconds
        self._work_max_seconds = work_max_seconds
        self._changed = threading.Condition()
        self._working = 0
        self._held: set[Lease] = set()
        self._given_up: set[Lease] = set()
        self.closed = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a thread as at work inside the block."""
        with self._changed:
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def kept(self, lease: Lease) -> Iterator[None]:
        """Renew the lease from a thread while the block runs, so that long work keeps it and a dead worker loses it."""
        done = threading.Event()
        thread = threading.Thread(target=self._renew, args=(lease, done), name="lease", daemon=True)
        with self._changed:
            self._held.add(lease)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            with self._changed:
                self._held.discard(lease)
                self._given_up.discard(lease)

    def at_work(self) -> int:
        """Give how many threads are at work, those that hang included."""
        return self._working

    def hung(self) -> list[str]:
        """Name the events whose handlers have lost their leases because they hang, and hold their threads still."""
        with self._changed:
            return sorted(lease.envelope.event for lease in self._given_up)

    def close(self, seconds: float) -> None:
        """Let nothing begin any more, wait for what is at work, and give up the leases of what has not ended by then.

        Args:
            seconds: The longest wait.
        """
        self.closed = True
        with self._changed:
            self._changed.wait_for(lambda: self._working == len(self._given_up), timeout=seconds)
            rest = self._held - self._given_up
            self._given_up |= rest
        for lease in rest:
            _log.warning("gave up work that did not end in time", extra={"event": lease.envelope.event})
            self._give_up(lease, "its worker was stopped", counted=False)

    def _renew(self, lease: Lease, done: threading.Event) -> None:
        while not done.wait(min(self._lease_seconds / 3, self._work_max_seconds)):
            still = time.monotonic() - lease.progressed_at
            try:
                if still >= self._work_max_seconds:
                    self._end_hung(lease, still)
                    return
                with self._db.write() as session:
                    lease.change(session, lease_until=unix_now() + self._lease_seconds)
            except LeaseLost:
                return
            except Exception:  # noqa: BLE001 - the next renewal may succeed
                _log.exception("could not renew a lease")

    def _end_hung(self, lease: Lease, still: float) -> None:
        _log.error("a handler hangs", extra={"event": lease.envelope.event, "seconds": round(still)})
        with self._changed:
            self._given_up.add(lease)
            self._changed.notify_all()
        self._give_up(lease, f"its handler made no progress for {still:.0f} s", counted=True)

    def _give_up(self, lease: Lease, reason: str, *, counted: bool) -> None:
        try:
            with self._db.write() as session:
                lease.give_up(session, reason, counted=counted)
        except LeaseLost:
            pass  # ended, or another's, in the meantime
        except Exception:  # noqa: BLE001 - nobody renews it any more
            _log.exception("could not give up a lease: it runs out by itself")
