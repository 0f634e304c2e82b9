"""What is long over is forgotten, what is pending or lately over never."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from contracts.events import DatasetDeleted, DatasetUploaded
from runtime.db import unix_now
from runtime.outbox import DEAD, HANDLED, PENDING, Delivery, EventRow, Outbox
from runtime.retention import clean

DAY = 86_400
UPLOADED = DatasetUploaded(dataset_id="d1", spool="d1", table_bytes=1, files=0, file_bytes=0)


def emit(database, event=UPLOADED):
    with database.write() as session:
        Outbox(lambda: None).emit(session, event)


def age(database, number, state, days):
    then = unix_now() - days * DAY
    ended = None if state == PENDING else then
    with database.write() as session:
        session.execute(
            update(Delivery).where(Delivery.id == number).values(state=state, due_at=then, handled_at=ended)
        )


def left(database):
    with database.read() as session:
        return [row.id for row in session.query(Delivery).order_by(Delivery.id)], session.query(
            EventRow
        ).count()


@pytest.mark.parametrize(
    ("state", "days", "kept"),
    [
        (HANDLED, 6, True),
        (HANDLED, 8, False),
        (DEAD, 8, True),
        (DEAD, 91, False),
        (PENDING, 1000, True),
    ],
)
def test_each_state_has_its_time(database, state, days, kept):
    emit(database, DatasetDeleted(dataset_id="d1"))
    age(database, 1, state, days)
    clean(database, 7, 90)
    assert left(database) == (([1], 1) if kept else ([], 0))


def test_an_event_stays_as_long_as_one_of_its_deliveries(database):
    emit(database)
    age(database, 1, HANDLED, 8)
    age(database, 2, DEAD, 8)
    clean(database, 7, 90)
    assert left(database) == ([2], 1)


def test_zero_keeps_for_ever(database):
    emit(database)
    age(database, 1, HANDLED, 10_000)
    age(database, 2, DEAD, 10_000)
    clean(database, 0, 0)
    assert left(database) == ([1, 2], 1)


def test_many_go_in_small_batches(database):
    for number in range(1, 8):
        emit(database, DatasetDeleted(dataset_id="d"))
        age(database, number, HANDLED, 8)
    clean(database, 7, 90, batch=2)
    assert left(database) == ([], 0)
