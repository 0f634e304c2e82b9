"""How long to wait before another try."""

from __future__ import annotations

import random


def jittered(seconds: float) -> float:
    """Give a random part of a pause, half of it at least: what failed together must not come back together."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - spreads load, guards nothing
