"""Ends of an attempt that another thread decides on; the main thread hears of them as of a SIGTERM."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from typing import Self

from contracts.callback import Outcome
from trainer.errors import EXIT_CANCELLED, EXIT_OVER, EXIT_TIMED_OUT


@dataclass(frozen=True)
class Ending:
    """How an attempt ends that is stopped.

    Attributes:
        outcome: Of the attempt.
        reason: In words.
        code: The process's exit code.
        keep: Whether another attempt may go on from its checkpoint.
    """

    outcome: Outcome
    reason: str
    code: int
    keep: bool = True


ON_REQUEST = Ending(Outcome.CANCELLED, "stopped on request (SIGTERM)", EXIT_CANCELLED)


class Stops:
    """Made by the main thread, asked by others; as a context, it lets no time limit outlive it."""

    def __init__(self) -> None:
        self.ending = ON_REQUEST  # until someone else asks first
        self._main = threading.get_ident()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def after(self, seconds: float) -> None:
        """Stop the attempt as timed out after some seconds: the launcher stops it before, where there is one."""
        reason = f"stopped by itself after {seconds:.0f} s, longer than it may run; raise max_seconds or train less"
        self._timer = threading.Timer(seconds, self.ask, [Ending(Outcome.TIMED_OUT, reason, EXIT_TIMED_OUT)])
        self._timer.daemon = True
        self._timer.start()

    def ask(self, ending: Ending) -> None:
        """Stop the attempt; the first who asks says how it ends."""
        with self._lock:
            if self.ending is not ON_REQUEST:
                return
            self.ending = ending
        signal.pthread_kill(self._main, signal.SIGTERM)  # to that thread, which may wait in a call

    def over(self, why: str) -> None:
        """Stop the attempt, for the platform takes nothing of it any more: another one may run already."""
        reason = f"the platform takes nothing of this attempt any more ({why})"
        self.ask(Ending(Outcome.CANCELLED, reason, EXIT_OVER, keep=False))
