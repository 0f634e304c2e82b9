"""Deliveries as operators see them: what is on its way, what is dead and why, and giving the dead another try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, update

from runtime.db import unix_now
from runtime.errors import NotFound
from runtime.outbox import DEAD, HANDLED, PENDING, Delivery, EventRow, subject_of
from runtime.paging import Order

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from runtime.outbox import Outbox
    from runtime.paging import Page, Part

STATES = (PENDING, HANDLED, DEAD)
_BY_NUMBER = Order("number", Delivery.id, Delivery.id)


@dataclass(frozen=True)
class Seen:
    """A delivery.

    Attributes:
        id: Names it.
        state: pending, handled or dead.
        queue: Whose it is.
        event: Name of the event it delivers.
        event_id: The event, which other queues may have, too.
        subject: Id of the data set, job or prediction it is about.
        attempts: Tries so far, since it was last requeued.
        last_error: Why the last one failed.
        emitted_at: When the event happened.
        ended_at: When it was handled, or given up for dead.
        data: The event's fields.
    """

    id: int
    state: str
    queue: str
    event: str
    event_id: str
    subject: str
    attempts: int
    last_error: str
    emitted_at: datetime
    ended_at: datetime | None
    data: dict[str, Any]


def page(session: Session, state: str, queue: str | None, part: Part) -> Page:
    """List deliveries of a state in the order in which their events happened.

    Raises:
        Invalid: The cursor is none.
    """
    conditions = [Delivery.state == state] + ([Delivery.queue == queue] if queue else [])
    total = session.scalar(select(func.count()).select_from(Delivery).where(*conditions)) or 0
    query = select(Delivery, EventRow).join(EventRow, EventRow.id == Delivery.event_id).where(*conditions)
    rows = [_seen(row) for row in session.execute(_BY_NUMBER.cut(query, part))]
    return _BY_NUMBER.page(rows, total, part, lambda row: (row.id, row.id))


def get(session: Session, delivery_id: int) -> Seen:
    """Look one up.

    Raises:
        NotFound: There is none by that number; what is long over is forgotten.
    """
    row = session.execute(
        select(Delivery, EventRow)
        .join(EventRow, EventRow.id == Delivery.event_id)
        .where(Delivery.id == delivery_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return _seen(row)


@dataclass(frozen=True)
class Stuck:
    """A delivery that does not get on.

    Attributes:
        id: Names it.
        queue: Whose it is.
        event: Name of the event it delivers.
        dead: Whether it was given up; else it waits for a store or a disk, and is tried again by itself.
        since: When that began.
        reason: What is wrong.
    """

    id: int
    queue: str
    event: str
    dead: bool
    since: datetime
    reason: str


def stuck(session: Session, subject: str, queues: Collection[str]) -> list[Stuck]:
    """List what does not get on of a data set, job or prediction, in some queues. Costs a look at an index of the stuck alone."""
    rows = session.execute(
        select(Delivery, EventRow)
        .join(EventRow, EventRow.id == Delivery.event_id)
        .where(
            Delivery.subject == subject,
            Delivery.stuck_since.is_not(None),
            Delivery.queue.in_(queues),
            # A handler that gets on has emptied it
            or_(Delivery.state == DEAD, Delivery.last_error != ""),
        )
        .order_by(Delivery.id)
    )
    return [
        Stuck(
            id=delivery.id,
            queue=delivery.queue,
            event=event.envelope["event"],
            dead=delivery.state == DEAD,
            since=datetime.fromtimestamp(delivery.stuck_since or 0.0, UTC),
            reason=delivery.last_error,
        )
        for delivery, event in rows
    ]


def dead_subjects(
    session: Session, subjects: Collection[str], queues: Collection[str], died_after: float = 0.0
) -> set[str]:
    """Give those of some subjects that have a dead delivery in some queues.

    Args:
        session: A transaction.
        subjects: Ids of data sets, jobs or predictions.
        queues: Where to look.
        died_after: Unix seconds; those that died before do not count.
    """
    return set(
        session.scalars(
            select(Delivery.subject).where(
                Delivery.subject.in_(subjects),
                Delivery.stuck_since.is_not(None),
                Delivery.queue.in_(queues),
                Delivery.state == DEAD,
                Delivery.handled_at > died_after,
            )
        )
    )


def requeue(session: Session, outbox: Outbox, delivery_id: int) -> None:
    """Give a dead delivery as many tries again as a new one; one that is not dead stays as it is.

    Args:
        session: A write transaction.
        outbox: Wakes the relay.
        delivery_id: The delivery.
    """
    revived = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.state == DEAD)
        .values(
            state=PENDING,
            attempts=0,
            published=0,
            due_at=unix_now(),
            handled_at=None,
            stuck_since=None,
            lease_until=0.0,
            # Whoever held it before it died can write nothing for it
            lease_token=Delivery.lease_token + 1,
        )
        .returning(Delivery.id)
    ).first()
    if revived is not None:
        outbox.ring_after(session)


def _seen(row: Row[Delivery, EventRow]) -> Seen:
    delivery, event = row
    data = event.envelope["data"]
    return Seen(
        id=delivery.id,
        state=delivery.state,
        queue=delivery.queue,
        event=event.envelope["event"],
        event_id=event.id,
        subject=subject_of(data),
        attempts=delivery.attempts,
        last_error=delivery.last_error,
        emitted_at=datetime.fromtimestamp(event.created_at, UTC),
        ended_at=datetime.fromtimestamp(delivery.handled_at, UTC) if delivery.handled_at else None,
        data=data,
    )
