"""Adds up the progress of uploads that run side by side."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Meter:
    """Counts file bytes over all uploads, and reports after each step.

    Args:
        total: Bytes of all files.
        report: Called with the bytes done and the total, from any upload's thread but never from two at once. Bytes
            done fall when a part has to be sent again. What it raises ends the upload that called it.
    """

    def __init__(self, total: int, report: Callable[[int, int], None]) -> None:
        self._total = total
        self._report = report
        self._done = 0
        self._lock = Lock()

    def add(self, content: int) -> None:
        """Count `content` more bytes of files."""
        with self._lock:
            self._done += content
            self._report(self._done, self._total)

    def upload(self, content: int, size: int) -> Callable[[int], None]:
        """A progress function for one object.

        Args:
            content: Bytes of files it carries.
            size: Its own bytes, which are more than that for a shard.
        """
        sent = counted = 0

        def progress(moved: int) -> None:
            nonlocal sent, counted
            with self._lock:
                sent += moved
                before, counted = counted, sent * content // max(size, 1)
                self._done += counted - before
                self._report(self._done, self._total)

        return progress
