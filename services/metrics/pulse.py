"""What every stream does between two things to tell: it waits, keeps the connection alive, and ends where it should."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.metrics.mailbox import Mail, Mailbox

# How soon a browser whose stream broke comes back
RETRY = b"retry: 2000\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would keep events back
}


@dataclass(frozen=True, slots=True)
class Pulse:
    """How often a stream looks up, and what ends it.

    Attributes:
        keep_alive_seconds: Between two keep-alives.
        poll_seconds: Between two calls of `is_gone`.
        is_gone: Tells whether the viewer has hung up.
        is_allowed: Tells whether the viewer may still look; asked with each keep-alive. The stream ends where not.
    """

    keep_alive_seconds: float
    poll_seconds: float
    is_gone: Callable[[], bool]
    is_allowed: Callable[[], bool]

    def mails(self, mailbox: Mailbox) -> Iterator[tuple[Mail, bool]]:
        """Give what came, often nothing, each time with whether a keep-alive is due, until the stream should end."""
        tick = time.monotonic() + self.keep_alive_seconds
        while not self.is_gone():
            mail = mailbox.take(min(self.poll_seconds, max(tick - time.monotonic(), 0)))
            due = time.monotonic() >= tick
            if mail.closed or (due and not self.is_allowed()):
                return  # the viewer comes back by itself, and is told why where it may not
            if due:
                tick = time.monotonic() + self.keep_alive_seconds
            yield mail, due
