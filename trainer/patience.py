"""Patience with an object store that does not answer: an outage shorter than it costs a wait, not a training."""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from trainer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
Result = TypeVar("Result")


def jittered(seconds: float) -> float:
    """Give a random part of a pause, half of it at least: jobs that failed together must not come back together."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - spreads load, guards nothing


class Patience:
    """Tries again, with pauses that grow, for as long as it lasts; an exception of a signal's handler ends it."""

    def __init__(
        self,
        seconds: float,
        tell: Callable[[str], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Be patient.

        Args:
            seconds: How long what failed is tried again, from its first failure on; 0: it is not.
            tell: Told what is waited for, and "" when it came.
            clock: Seconds.
            pause: Waits for some seconds.
        """
        self._seconds = seconds
        self._tell = tell
        self._clock = clock
        self._pause = pause

    def try_again(self, action: Callable[[], Result]) -> Result:
        """Do what raises StoreError where the store does not answer.

        Raises:
            StoreError: Patience is over.
        """
        give_up_at: float | None = None
        longest = FIRST_PAUSE
        while True:
            try:
                result = action()
            except StoreError as error:
                if give_up_at is None:
                    give_up_at = self._clock() + self._seconds
                left = give_up_at - self._clock()
                if left <= 0:
                    raise
                until = datetime.now(UTC) + timedelta(seconds=left)
                self._tell(f"the object store does not answer; trying again until {until:%H:%M} UTC: {error}")
                seconds = min(left, jittered(longest))
                log.warning("%s; trying again in %.1f s", error, seconds)
                self._pause(seconds)
                longest = min(2 * longest, LONGEST_PAUSE)
            else:
                if give_up_at is not None:
                    self._tell("")
                return result
