"""What waits for one viewer of a stream."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive items, ready to be sent; shared by all viewers of the process."""

    first: int
    last: int
    frames: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, ready to be sent, and the number of the job's newest item when it was accepted."""

    frame: bytes
    last: int


@dataclass(slots=True)
class Mail:
    """What came since a viewer last looked."""

    batches: list[Batch] = field(default_factory=list)
    # Frames of what has no number: of the same, one is enough
    notices: dict[bytes, None] = field(default_factory=dict)
    heartbeat: Beat | None = None
    # The viewer must look for itself: it may have missed something
    look: bool = False
    closed: bool = False


class Mailbox:
    """What waits for one viewer. It never grows beyond its limit: a viewer that is behind reads the database."""

    def __init__(self, topic: str, max_bytes: int) -> None:
        self.topic = topic
        self._max_bytes = max_bytes
        self._bytes = 0
        self._changed = threading.Condition()
        self._mail = Mail()

    def put(self, batch: Batch) -> None:
        """Add items, or ask the viewer to read them from the database where they are too many."""
        with self._changed:
            if self._has_room(batch.frames):
                self._mail.batches.append(batch)
            self._changed.notify()

    def notice(self, frame: bytes) -> None:
        """Add a frame that has no number, unless the same one waits already."""
        with self._changed:
            if frame not in self._mail.notices and self._has_room(frame):
                self._mail.notices[frame] = None
            self._changed.notify()

    def beat(self, heartbeat: Beat) -> None:
        """Replace the heartbeat."""
        with self._changed:
            self._mail.heartbeat = heartbeat
            self._changed.notify()

    def look(self) -> None:
        """Ask the viewer to look for itself."""
        with self._changed:
            self._mail.look = True
            self._changed.notify()

    def close(self) -> None:
        """Ask the viewer to end."""
        with self._changed:
            self._mail.closed = True
            self._changed.notify()

    def take(self, seconds: float) -> Mail:
        """Empty the mailbox; wait for something at most so long."""
        with self._changed:
            mail = self._mail
            if not (mail.batches or mail.notices or mail.heartbeat or mail.look or mail.closed):
                self._changed.wait(seconds)
            mail, self._mail, self._bytes = self._mail, Mail(closed=self._mail.closed), 0
            return mail

    def _has_room(self, frames: bytes) -> bool:
        """Count frames in, or empty the mailbox and ask the viewer to look for itself where they are too many."""
        self._bytes += len(frames)
        if self._bytes <= self._max_bytes:
            return True
        self._mail.batches.clear()
        self._mail.notices.clear()
        self._bytes = 0
        self._mail.look = True
        return False
