"""When a training's time budget is over."""

from __future__ import annotations

import math
import time


class Deadline:
    """Counts from its construction; without a budget it never comes."""

    def __init__(self, seconds: float | None) -> None:
        self._at = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether training should end with the best it has."""
        return time.monotonic() >= self._at
