"""What waits in the outbox, for /metrics of the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from contracts.topology import QUEUES
from runtime.db import unix_now
from runtime.metrics import gauge
from runtime.outbox import DEAD, PENDING, Delivery, EventRow

if TYPE_CHECKING:
    import redis

    from runtime.db import Database
    from runtime.metrics import ByLabels, Figures

DATABASE: Final = (
    gauge("triptych_queue_depth", "Deliveries that are not handled yet, those at hand included.", "queue"),
    gauge("triptych_queue_oldest_seconds", "Age of the oldest event that a queue has not handled.", "queue"),
    gauge("triptych_dead_letters", "Deliveries given up.", "queue"),
    gauge("triptych_outbox_pending", "Deliveries that are due to be published."),
    gauge("triptych_outbox_lag_seconds", "How long the first of those has been due."),
)
BROKER: Final = (
    gauge(
        "triptych_broker_messages",
        "Messages in Redis that no worker has taken; each only rings the bell.",
        "queue",
    ),
)


def of_database(db: Database) -> Figures:
    """Read the gauges of DATABASE."""
    now = unix_now()
    every_queue: ByLabels = {(queue,): 0.0 for queue in QUEUES}
    depth, oldest, dead = every_queue.copy(), every_queue.copy(), every_queue.copy()
    with db.read() as session:
        waiting = session.execute(
            select(Delivery.queue, func.count(), func.min(EventRow.created_at))
            .join(EventRow, EventRow.id == Delivery.event_id)
            .where(Delivery.state == PENDING)
            .group_by(Delivery.queue)
        )
        for queue, count, since in waiting:
            depth[(queue,)] = count
            oldest[(queue,)] = max(0.0, now - since)
        given_up = select(Delivery.queue, func.count()).where(Delivery.state == DEAD).group_by(Delivery.queue)
        for queue, count in session.execute(given_up):
            dead[(queue,)] = count
        due, first = session.execute(
            select(func.count(), func.min(Delivery.due_at)).where(
                Delivery.state == PENDING, Delivery.due_at <= now, Delivery.lease_until < now
            )
        ).one()
    return {
        "triptych_queue_depth": depth,
        "triptych_queue_oldest_seconds": oldest,
        "triptych_dead_letters": dead,
        "triptych_outbox_pending": {(): due},
        "triptych_outbox_lag_seconds": {(): max(0.0, now - first) if due else 0.0},
    }


def of_broker(client: redis.Redis) -> Figures:
    """Read the gauges of BROKER; each queue is a list of its name."""
    pipe = client.pipeline(transaction=False)
    for queue in QUEUES:
        pipe.llen(queue)
    lengths = pipe.execute()
    return {
        "triptych_broker_messages": {(queue,): length for queue, length in zip(QUEUES, lengths, strict=True)}
    }
