"""Forgets deliveries that are long over, and their events, a few hundred rows a transaction; never what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, text

from runtime import locks
from runtime.db import unix_now
from runtime.outbox import DEAD, HANDLED, Delivery, EventRow

if TYPE_CHECKING:
    from runtime.db import Database

_DAY = 86_400.0


def clean(db: Database, keep_days: float, dead_keep_days: float, *, batch: int = 500) -> None:
    """Delete what is older than it is to be kept.

    Args:
        db: Where the outbox is.
        keep_days: How long deliveries are kept after they were handled; 0: for ever.
        dead_keep_days: How long after they died.
        batch: Most deliveries deleted in one transaction, so that writers do not wait long.
    """
    now = unix_now()
    for state, days in ((HANDLED, keep_days), (DEAD, dead_keep_days)):
        while days and _forget(db, state, now - days * _DAY, batch) == batch:
            pass


def _forget(db: Database, state: str, before: float, batch: int) -> int:
    old = (
        select(Delivery.id)
        # The due time, which the index has, is never far behind the end
        .where(Delivery.state == state, Delivery.due_at < before, Delivery.handled_at < before)
        .order_by(Delivery.due_at)
        .limit(batch)
    )
    with db.write() as session:
        if session.get_bind().dialect.name == "postgresql" and not session.scalar(
            # Two at once would each leave an event for the other's deliveries of it
            text("SELECT pg_try_advisory_xact_lock(:key)"),
            {"key": locks.RETENTION},
        ):
            return 0
        events = session.scalars(
            delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.event_id),
            execution_options={"synchronize_session": False},
        ).all()
        session.execute(
            delete(EventRow).where(
                EventRow.id.in_(set(events)), ~exists().where(Delivery.event_id == EventRow.id)
            ),
            execution_options={"synchronize_session": False},
        )
    return len(events)
