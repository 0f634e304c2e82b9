"""Ends of an attempt that another thread decides on; the main thread hears of them as of a SIGTERM."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass

from contracts.callback import Outcome
from trainer.errors import EXIT_CANCELLED, EXIT_OVER


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
    """Made by the main thread, asked by others."""

    def __init__(self) -> None:
        self.ending = ON_REQUEST  # until someone else asks first
        self._main = threading.get_ident()
        self._lock = threading.Lock()

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
