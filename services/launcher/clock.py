"""The time by which runs are judged: the system's clock, but for what it jumped ahead while a run was watched.

A clock that is set two days ahead would make every run two days older: over its time, or silent for too long. So the clock is
compared with a steady one whenever it is read. Only this process knows of its jumps: one that is started anew takes the
clock as it is, and so does a run that is first seen after the jump.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from runtime.db import unix_now

if TYPE_CHECKING:
    from collections.abc import Callable

_JUMP_SECONDS: Final = 30.0  # what NTP corrects without a step is far less between two looks
_FORGET_SECONDS: Final = 3600.0  # runs are looked at every minute at least
_log = logging.getLogger(__name__)


class Clock:
    """One for all that judge in this process; safe to share between threads."""

    def __init__(
        self, wall: Callable[[], float] = unix_now, steady: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the system's clock, Unix seconds, and one that only ever runs, which stands still while the machine sleeps."""
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        self._offset = wall() - steady()
        self._jumped = 0.0  # in all, seconds ahead
        self._watched: dict[
            int, tuple[float, float]
        ] = {}  # by run: _jumped when first seen, and when last seen

    def now(self) -> float:
        """Give what the system's clock shows."""
        return self._wall()

    def of(self, run_id: int) -> float:
        """Give the time by which a run is judged, Unix seconds: never later than either clock says."""
        with self._lock:
            wall, steady = self._wall(), self._steady()
            self._compare(wall - steady)
            first, _ = self._watched.get(run_id, (self._jumped, steady))
            self._watched[run_id] = (first, steady)
            return wall - max(0.0, self._jumped - first)

    def tidy(self) -> None:
        """Forget runs that nobody asks about any more."""
        with self._lock:
            old = self._steady() - _FORGET_SECONDS
            self._watched = {run_id: seen for run_id, seen in self._watched.items() if seen[1] > old}

    def _compare(self, offset: float) -> None:
        jump, self._offset = offset - self._offset, offset
        if abs(jump) <= _JUMP_SECONDS:
            return
        self._jumped += jump
        _log.error(
            "the system's clock jumped, or the machine slept: what runs is judged as if it had not",
            extra={"seconds": round(jump)},
        )
