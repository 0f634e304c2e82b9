"""Waiting on conditions and coroutines."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, seconds: float = 30.0) -> T:
    """Wait until a condition is true and give its value; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
    return value


def outcome(coroutine: Coroutine[None, None, T]) -> T:
    """Give what a coroutine returns. It runs in a thread of its own: Playwright leaves an event loop in that of the browser's tests."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, coroutine).result()
