"""A thread that does the same thing again and again, and says when it no longer gets it done."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)


class Loop:
    """Calls a function every so often, or sooner when woken or when it says that it has more to do; its errors are logged."""

    def __init__(
        self, name: str, body: Callable[[], object], *, seconds: float, stale_seconds: float = 60.0
    ) -> None:
        """Take what to do.

        Args:
            name: Of the thread.
            body: One round; True from it means that the next is due at once.
            seconds: Pause between rounds.
            stale_seconds: Without a round that went well for so long (and at least four pauses), `check` raises.
        """
        self._body = body
        self._seconds = seconds
        self._stale_seconds = max(stale_seconds, 4 * seconds)
        self._woken = threading.Event()
        self._stopped = False
        self._went_well_at = time.monotonic()
        self._error = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Begin the next round now."""
        self._woken.set()

    def stop(self) -> None:
        """End after the round at hand, and wait for that."""
        self._stopped = True
        self._woken.set()
        self._thread.join()

    def check(self) -> None:
        """Raise unless rounds are done."""
        silence = time.monotonic() - self._went_well_at
        if not self._thread.is_alive():
            raise RuntimeError(f"the {self._thread.name} thread does not run")
        if silence > self._stale_seconds:
            raise RuntimeError(
                f"no round of the {self._thread.name} went well for {silence:.0f} s; {self._error}"
            )

    def _run(self) -> None:
        while not self._stopped:
            self._woken.clear()
            try:
                if self._body() is True:
                    self._woken.set()
                self._went_well_at, self._error = time.monotonic(), ""
            except Exception as error:  # noqa: BLE001 - whatever it is, the next round may go well
                self._error = f"last error: {error}"
                _log.exception("a round failed", extra={"loop": self._thread.name})
            self._woken.wait(self._seconds)
