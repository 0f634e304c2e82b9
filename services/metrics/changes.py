"""One viewer's stream of what changed in a workspace, for pages that show lists, data sets and predictions.

It has no history. An event "look" says that changes may have been missed: at the beginning, as soon as none is any more, when
Redis was away, when too many came at once. Who gets it asks the API for what the page shows, as with "change".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.metrics.pulse import KEEP_ALIVE, RETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.metrics.hub import Hub
    from services.metrics.mailbox import Mailbox
    from services.metrics.pulse import Pulse

LOOK = b"event: look\ndata: {}\n\n"


class ChangeStream:
    """Iterates over the bytes of one stream. The mailbox must be open before the first byte is asked for."""

    def __init__(self, mailbox: Mailbox, hub: Hub, pulse: Pulse) -> None:
        """Take what is told of the workspace, what tells whether more can be expected, and the pulse."""
        self._mailbox = mailbox
        self._hub = hub
        self._pulse = pulse

    def __iter__(self) -> Iterator[bytes]:
        yield RETRY
        for mail, due in self._pulse.mails(self._mailbox):
            yield from mail.notices
            if due:
                yield KEEP_ALIVE
            # Without Redis hardly anything changes, as work waits for it, too: no more often than a keep-alive
            if mail.look or (due and not self._hub.connected):
                yield LOOK
