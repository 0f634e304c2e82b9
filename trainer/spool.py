"""Reports on disk until the service has taken them: one JSON line each, appended; how far they were taken is kept beside."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Spool:
    """A queue of lines in a file, kept over a restart. Safe for one thread that appends and one that takes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Open the spool, or make it.

        Args:
            folder: Where its two files lie.
            max_bytes: Unsent bytes above which ``append`` refuses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = folder / "reports.jsonl"
        self._mark = folder / "reports.taken"
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._lines.touch()
        self._taken = int(self._mark.read_text()) if self._mark.exists() else 0
        whole = self._lines.read_bytes()
        self._size = whole.rfind(b"\n") + 1  # a killed process may leave half a line
        os.truncate(self._lines, self._size)
        self.appended = whole.count(b"\n")

    @property
    def waiting(self) -> int:
        """Bytes not taken yet."""
        with self._lock:
            return self._size - self._taken

    def append(self, line: str, *, always: bool = False) -> bool:
        """Add a line; False, and nothing added, where the disk is full, or the spool and the line is not to be kept always."""
        raw = line.encode() + b"\n"
        with self._lock:
            if not always and self._size - self._taken + len(raw) > self._max_bytes:
                return False
            try:
                with self._lines.open("ab") as file:
                    file.write(raw)
            except OSError:
                with suppress(OSError):  # half a line must not stand before the next one
                    os.truncate(self._lines, self._size)
                return False
            self._size += len(raw)
            self.appended += 1
            return True

    def peek(self, max_lines: int, max_bytes: int) -> list[bytes]:
        """Give the oldest lines not taken yet, at least one where there is any."""
        with self._lock:
            waiting = self._size - self._taken
        if not waiting:
            return []
        with self._lines.open("rb") as file:
            file.seek(self._taken)
            lines: list[bytes] = []
            size = 0
            while size < waiting and len(lines) < max_lines:
                line = file.readline()
                if lines and size + len(line) > max_bytes:
                    break
                lines.append(line)
                size += len(line)
        return lines

    def take(self, lines: Sequence[bytes]) -> None:
        """Mark the oldest lines, as ``peek`` gave them, as done with."""
        with self._lock:
            self._taken += sum(map(len, lines))
            partial = self._mark.with_suffix(".partial")
            with suppress(OSError):  # a full disk costs a repeat after a restart, which changes nothing
                partial.write_text(str(self._taken))
                partial.replace(self._mark)
