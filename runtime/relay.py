"""The relay: publishes due deliveries, one message for each subscribing queue, and buries those tried too often.

One message per subscriber, because kombu's Redis transport gives the copies of a fanout or topic message one delivery
tag, so that the first acknowledgement drops the others' safety net.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import redis
from sqlalchemy import select, update

from contracts.events import Envelope
from runtime import backlog, health, log
from runtime.bus import TASK, Bell, bury, make_celery
from runtime.db import Database, unix_now
from runtime.outbox import PENDING, Delivery, EventRow, Lease, LeaseLost, Outbox
from runtime.settings import Settings, load
from runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PUBLISHED = ("triptych_published_total", "Messages put on the broker.", "queue")
_MARK = "triptych:alive"
_log = logging.getLogger(__name__)


class Relay:
    """Moves deliveries from the database to the queues. Several may run at once."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        send: Callable[[str, int, dict[str, Any]], None],
        *,
        again_seconds: float = 30.0,
        again_at_most: float = 600.0,
        max_attempts: int = 3,
        batch: int = 100,
    ) -> None:
        """Wire the relay.

        Args:
            db: Where the outbox is.
            outbox: For events about abandoned work.
            send: Puts (queue, delivery id, envelope) on the broker; raises when it cannot.
            again_seconds: Wait before a published but unhandled delivery is published again; doubles each time.
            again_at_most: The longest such wait.
            max_attempts: Claims after which a delivery whose lease ran out is dead.
            batch: Deliveries looked at in one go.
        """
        self._db = db
        self._outbox = outbox
        self._send = send
        self._again_seconds = again_seconds
        self._again_at_most = again_at_most
        self._max_attempts = max_attempts
        self._batch = batch

    def publish_due(self) -> int:
        """Publish what is due, oldest first.

        Returns:
            How many messages were sent.
        """
        sent = 0
        for row, envelope in self._due():
            if row.attempts >= self._max_attempts:
                self._abandon(row, envelope)
            elif self._take(row):
                self._publish(row, envelope)
                sent += 1
        return sent

    def publish_all_again(self) -> None:
        """Make every pending delivery due now: the broker has lost its memory."""
        with self._db.write() as session:
            session.execute(
                update(Delivery).where(Delivery.state == PENDING).values(due_at=unix_now(), published=0)
            )

    def _due(self) -> list[tuple[Delivery, dict[str, Any]]]:
        now = unix_now()
        with self._db.read() as session:
            rows = session.execute(
                select(Delivery, EventRow.envelope)
                .join(EventRow, EventRow.id == Delivery.event_id)
                .where(Delivery.state == PENDING, Delivery.due_at <= now, Delivery.lease_until < now)
                .order_by(Delivery.id)
                .limit(self._batch)
            )
            return [(row.Delivery, row.envelope) for row in rows]

    def _take(self, row: Delivery) -> bool:
        """Move the due time before publishing, so that of several relays one publishes."""
        wait = min(self._again_seconds * 2**row.published, self._again_at_most)
        with self._db.write() as session:
            taken = session.execute(
                update(Delivery)
                .where(
                    Delivery.id == row.id, Delivery.due_at == row.due_at, Delivery.published == row.published
                )
                .values(due_at=unix_now() + wait, published=row.published + 1)
                .returning(Delivery.id)
            )
            return taken.first() is not None

    def _publish(self, row: Delivery, envelope: dict[str, Any]) -> None:
        try:
            self._send(row.queue, row.id, envelope)
        except Exception:
            with self._db.write() as session:
                session.execute(
                    update(Delivery)
                    .where(Delivery.id == row.id)
                    .values(due_at=unix_now(), published=row.published)
                )
            raise

    def _abandon(self, row: Delivery, envelope: dict[str, Any]) -> None:
        lease = Lease(row.id, row.lease_token, row.attempts, Envelope.model_validate(envelope))
        reason = row.last_error or f"the worker died {row.attempts} times while at it"
        try:
            with self._db.write() as session, log.bound(**lease.envelope.correlation):
                bury(session, self._outbox, lease, row.queue, reason)
        except LeaseLost:
            return  # claimed again, or buried by another relay, since we looked


def run(
    relay: Relay, bell: Bell, mark: redis.Redis, stop: threading.Event, *, poll_seconds: float = 1.0
) -> None:
    """Relay until told to stop; a broker or database that is away is waited for."""
    pause = poll_seconds
    while not stop.is_set():
        try:
            # The key lives as long as Redis remembers anything at all
            if mark.set(_MARK, 1, nx=True):
                relay.publish_all_again()
            if relay.publish_due() == 0:
                bell.wait(poll_seconds)
            pause = poll_seconds
        except Exception as error:  # noqa: BLE001 - the relay outlives whatever is away
            _log.warning("cannot relay now", extra={"error": str(error), "pause_seconds": pause})
            stop.wait(pause)
            pause = min(pause * 2, 10.0)


def main() -> None:
    """Run the relay of a deployment until SIGTERM."""
    settings = load(Settings)
    log.configure("relay", settings.log_level, settings.log_format)
    db, bell, app = Database(settings.database_url), Bell(settings.redis_url), make_celery(settings.redis_url)

    mark = redis.Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=2)
    telemetry = Telemetry.of("relay", settings)
    telemetry.registry.read("database", backlog.DATABASE, lambda: backlog.of_database(db))
    telemetry.registry.read("broker", backlog.BROKER, lambda: backlog.of_broker(mark))
    published = telemetry.registry.counter(*PUBLISHED)

    def send(queue: str, delivery_id: int, envelope: dict[str, Any]) -> None:
        app.send_task(TASK, args=[delivery_id, envelope], queue=queue, retry=False)
        published.labels(queue).inc()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    checks = {"database": db.check, "redis": bell.check}
    health.serve(settings.health_host, settings.health_port, checks, metrics=telemetry.registry.text)
    _log.info("relay is up")
    run(Relay(db, Outbox(lambda: None), send), bell, mark, stop)


if __name__ == "__main__":
    main()
