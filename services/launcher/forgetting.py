"""Removes what ended runs had to read; what cannot be removed at once is tried again for an hour, and then left to the store's own rules."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from runtime.errors import Transient
from services.launcher.backend import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.launcher.backend import Backend

_FOR_SECONDS: Final = 3600.0
_MOST: Final = 1000  # of those that wait; the oldest go first
_log = logging.getLogger(__name__)


class Forgetting:
    """Kept in memory: a launcher that starts anew leaves the rest to the bucket's lifecycle rule (docs/launchers.md)."""

    def __init__(self, backend: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        """Take what launched the runs, and a clock in seconds that only ever runs."""
        self._backend = backend
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[tuple[str, int], float] = {}  # when it was first tried, oldest first

    def forget(self, job_id: str, attempt: int) -> None:
        """Remove what an attempt had to read, now or later."""
        try:
            self._backend.forget(job_id, attempt)
        except (Transient, Refused) as error:
            _log.warning("cannot remove what a run had read; tried again", extra={"error": str(error)})
            self._keep(job_id, attempt)

    def again(self) -> None:
        """Try again what could not be removed; stops at the first that still cannot."""
        with self._lock:
            left = dict(self._left)
        for (job_id, attempt), since in left.items():
            try:
                self._backend.forget(job_id, attempt)
            except (Transient, Refused) as error:
                if self._clock() - since <= _FOR_SECONDS:
                    return
                _log.error(
                    "what a run had read stays in the object store",
                    extra={"job_id": job_id, "attempt": attempt, "error": str(error)},
                )
            with self._lock:
                self._left.pop((job_id, attempt), None)

    def _keep(self, job_id: str, attempt: int) -> None:
        with self._lock:
            self._left.setdefault((job_id, attempt), self._clock())
            while len(self._left) > _MOST:
                self._left.pop(next(iter(self._left)))
