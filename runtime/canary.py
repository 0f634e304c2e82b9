"""Liveness of a worker: that messages come through its queue and consumer to a thread, not that its process exists.

Whichever worker takes a canary has shown that its own consumer works, so it does not matter that the workers of a queue
take each other's. Each sends one where its queue is empty: of n workers one draws n canaries a beat, one on average.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.leases import Leases

# With so many beats in a period, a healthy worker that draws none in all of it is one in e^24
BEATS = 24
_log = logging.getLogger(__name__)


class Canary:
    """Says whether a worker takes messages; what excuses it is that it cannot, or that there are none to take."""

    def __init__(
        self,
        leases: Leases,
        concurrency: int,
        waiting: Callable[[], int],
        send: Callable[[], object],
        *,
        seconds: float,
    ) -> None:
        """Wire it.

        Args:
            leases: Know how many threads are at work, and which hang.
            concurrency: The worker's threads.
            waiting: Counts the messages in its queue; raises while Redis is away.
            send: Puts a canary into the queue.
            seconds: How long a worker that could take messages may take none.
        """
        self._leases = leases
        self._concurrency = concurrency
        self._waiting = waiting
        self._send = send
        self._seconds = seconds
        self._excused_at = time.monotonic()
        self._taken_at = time.monotonic()

    def taken(self) -> None:
        """Note that a message, a canary or another, has reached a thread of this worker."""
        self._taken_at = time.monotonic()

    def beat(self) -> None:
        """Send a canary where nothing else waits in the queue; to be done `BEATS` times in the period."""
        if self._leases.at_work() >= self._concurrency:
            self._excused_at = time.monotonic()
            return
        begun = time.monotonic()
        try:
            if self._waiting() == 0:
                self._send()
            if time.monotonic() - begun > self._seconds / BEATS:  # Redis held it up, and the consumer with it
                self._excused_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever keeps canaries from the queue, it is not this worker's fault
            self._excused_at = time.monotonic()
            _log.warning("cannot send a canary", extra={"error": str(error)})

    def check(self) -> None:
        """Raise when only a restart can help: threads hang, or no message comes through though it could."""
        if hung := self._leases.hung():
            raise RuntimeError(f"handlers hang and have lost their work: {', '.join(hung)}")
        silence = time.monotonic() - max(self._taken_at, self._excused_at)
        if silence > self._seconds:
            raise RuntimeError(
                f"no message, not even a canary, has come through the queue for {silence:.0f} s"
            )
