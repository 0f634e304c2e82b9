"""The transactional outbox, which is also the inbox: one delivery row for each event and subscribing queue.

An event is written in the transaction of the change it tells of (Richardson, "Transactional outbox"). The relay
publishes deliveries; a consumer claims its row with a lease and marks it handled in the transaction of its own
changes. Redis only rings the bell: whatever it loses is published again because the row is still pending.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from contracts.events import Envelope, Event, wrap
from contracts.topology import TOPOLOGY
from runtime import log
from runtime.db import unix_now
from runtime.tables import Base

if TYPE_CHECKING:
    from collections.abc import Callable

PENDING, HANDLED, DEAD = "pending", "handled", "dead"
_SUBJECTS = ("prediction_id", "job_id", "dataset_id", "subject")


class EventRow(Base):
    """An event as it was emitted."""

    __tablename__ = "runtime_events"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    envelope: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Float)


class Delivery(Base):
    """An event on its way to one queue. Times are Unix seconds; `handled_at` is also when a dead one died.

    `stuck_since` is when the present trouble began of one that waits for a store or a disk, or is dead.
    """

    __tablename__ = "runtime_deliveries"
    __table_args__ = (
        Index("runtime_deliveries_due", "state", "due_at"),
        Index("runtime_deliveries_event", "event_id"),
        # Holds what is stuck alone, so that every page of a subject can ask what keeps it
        Index(
            "runtime_deliveries_stuck",
            "subject",
            postgresql_where=text("stuck_since IS NOT NULL"),
            sqlite_where=text("stuck_since IS NOT NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("runtime_events.id"))
    queue: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64), default="", server_default="")
    state: Mapped[str] = mapped_column(String(16), default=PENDING)
    due_at: Mapped[float] = mapped_column(Float, default=0.0)
    published: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_token: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    stuck_since: Mapped[float | None] = mapped_column(Float, default=None)
    handled_at: Mapped[float | None] = mapped_column(Float, default=None)


class Outbox:
    """Writes events beside the changes they tell of."""

    def __init__(self, ring: Callable[[], None]) -> None:
        """Take the bell to ring after a commit; it must neither raise nor wait long."""
        self._ring = ring

    def emit(self, session: Session, happened: Event) -> None:
        """Add an event to the session's transaction; it reaches its subscribers when, and only when, that commits."""
        envelope = wrap(happened, log.context())
        now, subject = unix_now(), subject_of(envelope.data)
        session.execute(
            insert(EventRow).values(
                id=str(envelope.id), envelope=envelope.model_dump(mode="json"), created_at=now
            )
        )
        session.execute(
            insert(Delivery),
            [
                {"event_id": str(envelope.id), "queue": queue, "subject": subject, "due_at": now}
                for queue in TOPOLOGY[envelope.event]
            ],
        )
        self.ring_after(session)

    def ring_after(self, session: Session) -> None:
        """Ring the bell once the session's transaction has committed."""
        event.listen(session, "after_commit", lambda _session: self._ring(), once=True)


class LeaseLost(Exception):
    """Another worker took this delivery over; nothing may be written for it any more."""


class Lease:
    """The right to handle one delivery until a moment; every write is guarded by its fencing token (Kleppmann 2016).

    `progressed_at` (monotonic seconds) is when its handler last showed that it gets on.
    """

    def __init__(
        self,
        delivery_id: int,
        token: int,
        attempts: int,
        envelope: Envelope,
        stuck_since: float | None = None,
    ) -> None:
        self.delivery_id = delivery_id
        self.token = token
        self.attempts = attempts
        self.envelope = envelope
        self.stuck_since = stuck_since
        self.progressed_at = time.monotonic()

    def change(self, session: Session, **values: Any) -> None:
        """Change the delivery row if the lease is still held.

        Raises:
            LeaseLost: It is not.
        """
        changed = session.execute(
            update(Delivery)
            .where(
                Delivery.id == self.delivery_id, Delivery.lease_token == self.token, Delivery.state == PENDING
            )
            .values(**values)
            .returning(Delivery.id)
        )
        if changed.first() is None:
            raise LeaseLost(f"delivery {self.delivery_id} was taken over")

    def give_up(self, session: Session, reason: str, *, counted: bool) -> None:
        """Let another worker take the delivery at once; with the token gone on, its handler here can write no more.

        Args:
            session: A write transaction.
            reason: Kept with the delivery.
            counted: Whether the attempt was one; it was none where the handler is not to blame.

        Raises:
            LeaseLost: It is another's already.
        """
        self.change(
            session,
            lease_token=self.token + 1,
            lease_until=0.0,
            due_at=unix_now(),
            published=0,
            attempts=self.attempts if counted else self.attempts - 1,
            last_error=reason,
        )


def subject_of(data: dict[str, Any]) -> str:
    """Give the id of the prediction, job or data set that an event's data is about."""
    return str(next(data[name] for name in _SUBJECTS if name in data))


def pass_on(session: Session, delivery_id: int) -> None:
    """Make a delivery due now that this worker was told of but will not take."""
    now = unix_now()
    session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.state == PENDING, Delivery.lease_until < now)
        .values(due_at=now, published=0)
    )


def claim(session: Session, delivery_id: int, queue: str, *, seconds: float) -> Lease | None:
    """Take the lease of a delivery, or None where it is handled, dead, or leased by someone alive.

    Args:
        session: A write transaction.
        delivery_id: The row.
        queue: The claimer's queue; a delivery of another is not given.
        seconds: How long the lease lasts unless renewed.
    """
    now = unix_now()
    row = session.execute(
        update(Delivery)
        .where(
            Delivery.id == delivery_id,
            Delivery.queue == queue,
            Delivery.state == PENDING,
            Delivery.lease_until < now,
        )
        .values(
            lease_token=Delivery.lease_token + 1, lease_until=now + seconds, attempts=Delivery.attempts + 1
        )
        .returning(Delivery.lease_token, Delivery.attempts, Delivery.event_id, Delivery.stuck_since)
    ).first()
    if row is None:
        return None
    envelope = session.execute(select(EventRow.envelope).where(EventRow.id == row.event_id)).scalar_one()
    return Lease(
        delivery_id,
        row.lease_token,
        row.attempts,
        Envelope.model_validate_json(json.dumps(envelope)),
        row.stuck_since,
    )
