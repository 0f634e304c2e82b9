"""Does at once what several threads want at the same time: group commit, as databases do it (Gray and Reuter 1993)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class _Wish(Generic[T]):
    """What one thread wants. It is woken when that is done, or to do it itself together with what waits behind it."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.woken = threading.Event()
        self.done = False
        self.error: Exception | None = None


class Together(Generic[T]):
    """Hands items to a function, one call at a time.

    A thread that comes while none is at work does its own item at once, in itself: alone, nobody waits for anything. Those
    that come meanwhile wait, and the first of them does all of theirs in one call.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[Exception | None]], most: int) -> None:
        """Take what to do.

        Args:
            work: Gets items in the order in which they came; gives for each what its thread shall raise. What it raises
                itself, every thread of the call raises.
            most: Items in one call.
        """
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Wish[T]] = []
        self._busy = False

    def do(self, item: T) -> None:
        """Return when the item is done; raise what became of it."""
        mine = _Wish(item)
        with self._lock:
            self._waiting.append(mine)
            leads = not self._busy
            self._busy = True
        if not leads:
            mine.woken.wait()
        if not mine.done:
            self._lead()
        if mine.error is not None:
            raise mine.error

    def _lead(self) -> None:
        """Do what waits; the first of it is the calling thread's own."""
        with self._lock:
            wishes, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            errors = self._work([wish.item for wish in wishes])
        except Exception as error:  # noqa: BLE001 - every thread raises it
            errors = [error] * len(wishes)
        with self._lock:
            successor = self._waiting[0] if self._waiting else None
            self._busy = successor is not None
        if successor is not None:
            successor.woken.set()
        for wish, outcome in zip(wishes, errors, strict=True):
            wish.error, wish.done = outcome, True
            wish.woken.set()
