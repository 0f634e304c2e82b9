"""Holds back a job that sends more callbacks than it may, without a word of it being lost: its trainer waits and sends again."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from werkzeug.exceptions import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_REMEMBERED = 10_000  # jobs; beyond it those that sent nothing of late are forgotten


class TooFast(TooManyRequests):
    """A job's callbacks come faster than they may (RFC 6585, 429)."""

    def __init__(self, per_second: float, retry_after: float) -> None:
        super().__init__(
            f"a job may send {per_second:g} callbacks a second (CALLBACKS_PER_SECOND); nothing of this one was stored, send it again",
            retry_after=math.ceil(retry_after),
        )


class FloodGate:
    """A rate for each job of this process, by the generic cell rate algorithm: one number for each job (ITU-T I.371)."""

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the rate.

        Args:
            per_second: Callbacks a second that a job may send for long; 0 for no limit.
            burst: Callbacks it may send at once, after a while without.
            clock: Gives seconds.
        """
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._free_at: dict[str, float] = {}  # when all of a job's burst is there again
        self._lock = threading.Lock()

    def admit(self, job_id: str) -> None:
        """Let one callback of a job in. Ask only for authentic ones: others must not use up a job's rate.

        Raises:
            TooFast: There were too many of late; it says when there is room for the next.
        """
        if not self._per_second:
            return
        with self._lock:
            now = self._clock()
            busy = max(self._free_at.get(job_id, now), now) - now
            wait = busy - (self._burst - 1) / self._per_second
            if wait > 0:
                raise TooFast(self._per_second, wait)
            self._free_at[job_id] = now + busy + 1 / self._per_second
            if len(self._free_at) > _MOST_REMEMBERED:
                self._free_at = {job: at for job, at in self._free_at.items() if at > now}
