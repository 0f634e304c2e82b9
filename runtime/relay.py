"""The relay: publishes due deliveries, one message for each subscribing queue, and buries those tried too often.

One message per subscriber, because kombu's Redis transport gives the copies of a fanout or topic message one delivery
tag, so that the first acknowledgement drops the others' safety net.
"""

from __future__ import annotations

import logging
import signal
from contextlib import suppress
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from sqlalchemy import select, update

from contracts.events import Envelope
from runtime import backlog, health, log, retention
from runtime.broker import TASK, make_celery
from runtime.bus import Bell, bury
from runtime.db import Database, unix_now
from runtime.loop import Loop
from runtime.outbox import PENDING, Delivery, EventRow, Lease, LeaseLost, Outbox
from runtime.settings import RelaySettings, load
from runtime.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = ("triptych_published_total", "Messages put on the broker.", "queue")
_MARK = "triptych:alive"
_CLEAN_SECONDS = 60.0
_log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """A delivery that this relay publishes."""

    id: int
    queue: str
    published: int
    attempts: int
    lease_token: int
    last_error: str
    envelope: dict[str, Any]


class Relay:
    """Moves deliveries from the database to the queues. Several may run at once and share the work."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        send: Callable[[str, int, dict[str, Any]], None],
        *,
        waiting: Callable[[str], int] = lambda _queue: 0,
        again_seconds: float = 30.0,
        again_at_most: float = 600.0,
        max_attempts: int = 3,
        batch: int = 100,
        hold_seconds: float = 5.0,
    ) -> None:
        """Wire the relay.

        Args:
            db: Where the outbox is.
            outbox: For events about abandoned work.
            send: Puts (queue, delivery id, envelope) on the broker; raises when it cannot.
            waiting: Counts the messages that no worker has taken from a queue yet.
            again_seconds: Wait before a published but unhandled delivery is published again; doubles each time.
            again_at_most: The longest such wait.
            max_attempts: Claims after which a delivery whose lease ran out is dead.
            batch: Deliveries taken in one transaction.
            hold_seconds: How long no other relay takes a batch; what a relay that dies had taken is due again after it.
        """
        self._db = db
        self._outbox = outbox
        self._send = send
        self._waiting = waiting
        self._again_seconds = again_seconds
        self._again_at_most = again_at_most
        self._max_attempts = max_attempts
        self._batch = batch
        self._hold_seconds = hold_seconds

    def publish_due(self) -> int:
        """Publish a batch of what is due, the longest due first.

        Returns:
            How many were: 0 when nothing is due.
        """
        held_until = unix_now() + self._hold_seconds
        taken = self._take(held_until)
        done: list[Taken] = []
        to_do = [delivery for delivery in taken if delivery.attempts < self._max_attempts]
        lengths: dict[str, int] = {}
        try:
            for delivery in taken:
                if delivery.attempts >= self._max_attempts:
                    self._abandon(delivery)
                    continue
                if not self._is_on_its_way(delivery, lengths):
                    self._send(delivery.queue, delivery.id, delivery.envelope)
                done.append(delivery)
        finally:
            self._settle(held_until, done, to_do[len(done) :])
        return len(done)

    def publish_all_again(self) -> None:
        """Make every pending delivery due now: the broker has lost its memory."""
        with self._db.write() as session:
            session.execute(
                update(Delivery).where(Delivery.state == PENDING).values(due_at=unix_now(), published=0)
            )

    def _take(self, held_until: float) -> list[Taken]:
        """Take a batch in one transaction: other relays skip its rows now, and do not find them due afterwards."""
        now = unix_now()
        due = (
            select(Delivery.id)
            .where(Delivery.state == PENDING, Delivery.due_at <= now, Delivery.lease_until < now)
            .order_by(Delivery.due_at, Delivery.id)
            .limit(self._batch)
            .with_for_update(
                skip_locked=True
            )  # PostgreSQL; SQLite has one writer at a time, and leaves it out
            .cte("due")
        )
        take = (
            update(Delivery)
            .where(Delivery.id.in_(select(due.c.id)))
            .values(due_at=held_until)
            .returning(
                Delivery.id,
                Delivery.queue,
                Delivery.published,
                Delivery.attempts,
                Delivery.lease_token,
                Delivery.last_error,
                Delivery.event_id,
            )
        )
        with self._db.write() as session:
            rows = session.execute(take, execution_options={"synchronize_session": False}).all()
            told = select(EventRow.id, EventRow.envelope).where(
                EventRow.id.in_({row.event_id for row in rows})
            )
            envelopes = {row.id: row.envelope for row in session.execute(told)} if rows else {}
        # In the order of their emission, as far as they are in one batch
        return sorted(Taken(*row[:-1], envelopes[row.event_id]) for row in rows)

    def _is_on_its_way(self, delivery: Taken, lengths: dict[str, int]) -> bool:
        """Tell whether the message sent before probably waits in its queue: another would make a long queue longer.

        It may have been lost all the same, so it is sent again once the waits between have grown to their longest.
        """
        if (
            not delivery.published
            or delivery.attempts
            or self._wait(delivery.published) >= self._again_at_most
        ):
            return False
        if delivery.queue not in lengths:
            lengths[delivery.queue] = self._waiting(delivery.queue)
        return lengths[delivery.queue] > 0

    def _settle(self, held_until: float, sent: list[Taken], unsent: list[Taken]) -> None:
        """Put off what was sent, or is on its way, until it is to be sent again; what was not is due at once.

        A row whose due time is no longer the relay's own has a consumer that was quick, and stays as that left it.
        """
        now = unix_now()
        sent = sorted(sent, key=lambda delivery: delivery.published)
        moves = [
            ([delivery.id for delivery in same], now + self._wait(published), published + 1)
            for published, same in groupby(sent, key=lambda delivery: delivery.published)
        ]
        moves += [([delivery.id], now, delivery.published) for delivery in unsent]
        if not moves:
            return
        with self._db.write() as session:
            for ids, due_at, published in moves:
                session.execute(
                    update(Delivery)
                    .where(Delivery.id.in_(ids), Delivery.due_at == held_until, Delivery.state == PENDING)
                    .values(due_at=due_at, published=published),
                    execution_options={"synchronize_session": False},
                )

    def _wait(self, published: int) -> float:
        return min(self._again_seconds * 2.0 ** min(published, 30), self._again_at_most)

    def _abandon(self, delivery: Taken) -> None:
        lease = Lease(
            delivery.id,
            delivery.lease_token,
            delivery.attempts,
            Envelope.model_validate(delivery.envelope),
        )
        reason = delivery.last_error or f"the worker died {delivery.attempts} times while at it"
        try:
            with self._db.write() as session, log.bound(**lease.envelope.correlation):
                bury(session, self._outbox, lease, delivery.queue, reason)
        except LeaseLost:
            return  # claimed again, or buried by another relay, since we looked


def run(
    relay: Relay, bell: Bell, mark: redis.Redis, stop: SimpleQueue[None], *, poll_seconds: float = 1.0
) -> None:
    """Relay until something is put into `stop`; a broker or database that is away is waited for."""
    pause = poll_seconds
    while stop.empty():
        try:
            # The key lives as long as Redis remembers anything at all
            if mark.set(_MARK, 1, nx=True):
                relay.publish_all_again()
            if relay.publish_due() == 0:
                bell.wait(poll_seconds)
            pause = poll_seconds
        except Exception as error:  # noqa: BLE001 - the relay outlives whatever is away
            _log.warning("cannot relay now", extra={"error": str(error), "pause_seconds": pause})
            with suppress(Empty):
                stop.get(timeout=pause)
                return
            pause = min(pause * 2, 10.0)


def main() -> None:
    """Run the relay of a deployment until SIGTERM."""
    settings = load(RelaySettings)
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

    # Not an Event: a signal that comes during another, or while its lock is held for a wait, would wait for itself for ever
    stop: SimpleQueue[None] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.put(None))
    clean = telemetry.rounds(
        "cleaner", lambda: retention.clean(db, settings.events_keep_days, settings.dead_keep_days)
    )
    cleaning = Loop("cleaner", clean, seconds=_CLEAN_SECONDS)
    checks = {"database": db.check, "redis": bell.check, "cleaner": cleaning.check}
    health.serve(settings.health_host, settings.health_port, checks, metrics=telemetry.registry.text)
    cleaning.start()
    _log.info("relay is up")
    try:
        run(Relay(db, Outbox(lambda: None), send, waiting=bell.waiting), bell, mark, stop)
    finally:
        cleaning.stop()


if __name__ == "__main__":
    main()
