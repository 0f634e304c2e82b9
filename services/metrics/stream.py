"""One viewer's stream of Server-Sent Events: history, then live, every item once and in order.

The database holds the items, numbered without a gap. What Redis tells is passed on when it continues the last number
sent; whatever else comes (a gap, an overflow, a new subscription, a tick) makes the stream read on from the database.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.metrics import items
from services.metrics.pulse import KEEP_ALIVE, RETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.metrics.history import History
    from services.metrics.hub import Hub
    from services.metrics.mailbox import Mail, Mailbox
    from services.metrics.pulse import Pulse

_log = logging.getLogger(__name__)


class EventStream:
    """Iterates over the bytes of one stream. The mailbox must be open before the first byte is asked for."""

    def __init__(
        self,
        job_id: str,
        mailbox: Mailbox,
        hub: Hub,
        history: History,
        pulse: Pulse,
        *,
        after: int,
        page_items: int,
    ) -> None:
        """Prepare a stream.

        Args:
            job_id: The job.
            mailbox: What is told of it from now on.
            hub: Tells whether live items can be expected at all.
            history: The job's items.
            pulse: Each of its keep-alives comes with a look at the database, and while Redis is away each of its polls.
            after: Number of the last item the viewer has; 0 for none.
            page_items: Items read from the database at a time.
        """
        self._job_id = job_id
        self._mailbox = mailbox
        self._hub = hub
        self._history = history
        self._pulse = pulse
        self._cursor = after
        self._page_items = page_items
        self._over = False
        self._heartbeat = b""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._events()
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            # The viewer comes back by itself and says what it has
            _log.warning(
                "a stream ends: the database does not answer",
                extra={"error": str(getattr(error, "orig", error))},
            )

    def _events(self) -> Iterator[bytes]:
        yield RETRY
        yield from self._greet()
        yield from self._catch_up()
        mails = self._pulse.mails(self._mailbox)
        while not self._over and (came := next(mails, None)):
            mail, due = came
            if mail.look:
                yield items.LOG_FRAME  # a word of it may have been missed, and nothing but asking tells
            yield from self._deliver(mail)
            if due:
                yield KEEP_ALIVE
            if due or mail.look or not self._hub.connected:
                yield from self._catch_up()
        if self._over:
            yield items.END

    def _greet(self) -> Iterator[bytes]:
        page = self._history.page(self._job_id, 0, 0)
        # A number the job has not reached (of another job, or before a restored backup) must not silence the stream
        self._cursor = min(self._cursor, page.last_seq)
        if page.heartbeat is not None:
            yield from self._beat(items.heartbeat_frame(page.heartbeat))

    def _catch_up(self) -> Iterator[bytes]:
        while True:
            page = self._history.page(self._job_id, self._cursor, self._page_items)
            if page.items:
                yield items.frames(page.items)
                self._cursor = page.items[-1].seq
            if len(page.items) < self._page_items:
                # Beyond the last where the job was deleted
                self._over = page.ended and self._cursor >= page.last_seq
                # The newest was not told to this viewer where it came before the subscription or while Redis is away
                if page.heartbeat is not None:
                    yield from self._beat(items.heartbeat_frame(page.heartbeat))
                return

    def _beat(self, frame: bytes) -> Iterator[bytes]:
        if frame != self._heartbeat:
            self._heartbeat = frame
            yield frame

    def _deliver(self, mail: Mail) -> Iterator[bytes]:
        for batch in mail.batches:
            if batch.last <= self._cursor:
                continue  # read from the database before
            if batch.first == self._cursor + 1:
                yield batch.frames
                self._cursor = batch.last
                # Whether the job is over, and not begun again, only the database can tell
                mail.look = mail.look or batch.ends
            else:
                mail.look = True
                break
        yield from mail.notices
        if mail.heartbeat is not None:
            yield from self._beat(mail.heartbeat.frame)
            mail.look = mail.look or mail.heartbeat.last > self._cursor
