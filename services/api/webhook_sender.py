"""Delivers webhooks' messages: due rows are claimed with a lease, tried over hours with growing pauses, and dead after that."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from runtime.db import now
from runtime.errors import Invalid
from runtime.pauses import jittered
from services.api import outgoing, webhooks
from services.api.models import Webhook, WebhookMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.db import Database
    from services.api.outgoing import Look
    from services.api.settings import ApiSettings

_FIRST_PAUSE, _FACTOR, _LONGEST_PAUSE = (
    5.0,
    3.0,
    4 * 3600.0,
)  # seconds: 5, 15, 45, 2 min, 7 min, 20 min, 1 h, 3 h, 4 h, 4 h, …
_AT_A_TIME = 16
_log = logging.getLogger(__name__)


class WebhookSender:
    """One of several, each in a worker of the api."""

    def __init__(
        self,
        db: Database,
        settings: ApiSettings,
        *,
        look: Look = outgoing.look_up,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the collaborators.

        Args:
            db: Where the messages are.
            settings: Limits of tries.
            look: Looks names up.
            clock: Gives Unix seconds.
        """
        self._db = db
        self._settings = settings
        self._look = look
        self._clock = clock

    def round(self) -> bool:
        """Try what is due; True where there may be more."""
        claimed = self._claim()
        if claimed:
            # A receiver that takes its time holds up none of the others
            with ThreadPoolExecutor(max_workers=len(claimed), thread_name_prefix="webhook") as pool:
                list(pool.map(self._deliver, claimed))
        return len(claimed) == _AT_A_TIME

    def _claim(self) -> Sequence[int]:
        at = self._clock()
        due = (WebhookMessage.state == webhooks.PENDING, WebhookMessage.due_at <= at)
        with self._db.write() as session:
            ids = session.scalars(
                select(WebhookMessage.id).where(*due).order_by(WebhookMessage.due_at).limit(_AT_A_TIME)
            ).all()
            # Due again for another worker if this one dies over it
            lease = at + 3 * self._settings.webhook_timeout_seconds
            return session.scalars(
                update(WebhookMessage)
                .where(WebhookMessage.id.in_(ids), *due)
                .values(due_at=lease, attempts=WebhookMessage.attempts + 1)
                .returning(WebhookMessage.id)
            ).all()

    def _deliver(self, number: int) -> None:
        with self._db.read() as session:
            message = session.get(WebhookMessage, number)
            webhook = session.get(Webhook, message.webhook_id) if message else None
        if message is None or webhook is None:
            return  # deleted meanwhile
        status, error = self._try(webhook, message)
        if status is not None and HTTPStatus(200) <= status < HTTPStatus(300):
            self._end(message, webhooks.DELIVERED, status, None)
        elif status == HTTPStatus.GONE:
            with self._db.write() as session:
                session.execute(update(Webhook).where(Webhook.id == webhook.id).values(enabled=False))
            self._end(
                message, webhooks.DEAD, status, "the receiver is gone (410), so the webhook is switched off"
            )
        elif message.created_at + timedelta(hours=self._settings.webhook_hours) <= now():
            self._end(message, webhooks.DEAD, status, f"given up after {message.attempts} tries: {error}")
        else:
            self._again(message, status, error)

    def _try(self, webhook: Webhook, message: WebhookMessage) -> tuple[int | None, str]:
        private = self._settings.webhook_private_addresses
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "triptych-webhooks/1",
            **webhooks.signed(webhook.secret, message.message_id, int(self._clock()), message.body),
        }
        try:
            target = outgoing.parse(webhook.url, private=private)
            address = outgoing.checked_address(target, private=private, look=self._look)
            seconds = self._settings.webhook_timeout_seconds
            status = outgoing.post(target, address, message.body.encode(), headers, seconds=seconds)
        except (outgoing.Undelivered, Invalid) as error:
            return None, str(error)
        return status, f"the receiver answered {status}"

    def _end(self, message: WebhookMessage, state: str, status: int | None, error: str | None) -> None:
        self._change(message, state=state, ended_at=now(), last_status=status, last_error=error)
        _log.info(
            "webhook message", extra={"message": message.message_id, "state": state, "error": error or ""}
        )

    def _again(self, message: WebhookMessage, status: int | None, error: str) -> None:
        pause = min(_FIRST_PAUSE * _FACTOR ** (message.attempts - 1), _LONGEST_PAUSE)
        self._change(message, due_at=self._clock() + jittered(pause), last_status=status, last_error=error)

    def _change(self, message: WebhookMessage, **values: object) -> None:
        """Change a message, unless another worker took it over meanwhile."""
        with self._db.write() as session:
            session.execute(
                update(WebhookMessage)
                .where(
                    WebhookMessage.id == message.id,
                    WebhookMessage.attempts == message.attempts,
                    WebhookMessage.state == webhooks.PENDING,
                )
                .values(**values)
            )
