"""Tells viewers from a thread of its own, so that a callback waits for its commit alone and never for Redis."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.metrics.publisher import News

_MOST_WAITING = (
    1000  # a Redis that hangs is given up after a fraction of a second; more than this nobody can be behind
)


_PAUSE_SECONDS = 0.02  # between two round trips: one for a single callback takes the interpreter 0.1 ms


class Tells(Protocol):
    """What tells viewers: a Publisher, or a Herald of one."""

    def publish(self, news: Iterable[News]) -> None:
        """Tell what one transaction added."""


class Herald:
    """Passes news on in their order: the first at once, then those of each pause in one round trip.

    What is lost with it, viewers find in the database, as when Redis is away.
    """

    def __init__(self, publisher: Tells) -> None:
        """Take what tells; the thread starts with the first news, in the process that has them."""
        self._publisher = publisher
        self._changed = threading.Condition()
        self._waiting: list[News] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def publish(self, news: Iterable[News]) -> None:
        """Have news told; the oldest are dropped where too many wait."""
        with self._changed:
            self._waiting += news
            del self._waiting[:-_MOST_WAITING]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Tell what waits, and end."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                news, self._waiting = self._waiting, []
            if not news:
                return
            self._publisher.publish(news)
            self._closing.wait(_PAUSE_SECONDS)
