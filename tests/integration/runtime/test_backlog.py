"""What the relay, the api's worker and the launcher tell of the database and of Redis."""

from __future__ import annotations

import pytest
import redis
from sqlalchemy import update

from contracts.events import DatasetDeleted, DatasetUploaded
from contracts.topology import QUEUES
from runtime import backlog
from runtime.db import unix_now
from runtime.outbox import DEAD, HANDLED, Delivery, EventRow, Outbox
from services.api import figures as api_figures
from services.launcher import figures as launcher_figures
from services.launcher.models import ENDED, RUNNING, WAITING, Run

UPLOADED = DatasetUploaded(dataset_id="d1", spool="d1", table_bytes=1, files=0, file_bytes=0)


def emit(database, *events):
    with database.write() as session:
        for event in events:
            Outbox(lambda: None).emit(session, event)


def change(database, queue, **values):
    with database.write() as session:
        session.execute(update(Delivery).where(Delivery.queue == queue).values(**values))


def of(figures, name):
    """Give the figures of one gauge that are not 0."""
    return {labels[0] if labels else "": value for labels, value in figures[name].items() if value}


def test_an_empty_platform_tells_a_zero_for_every_queue_and_state(database):
    read = backlog.of_database(database)
    for name in ("triptych_queue_depth", "triptych_queue_oldest_seconds", "triptych_dead_letters"):
        assert read[name] == {(queue,): 0 for queue in QUEUES}
    assert read["triptych_outbox_pending"] == read["triptych_outbox_lag_seconds"] == {(): 0}
    assert all(value == 0 for gauge in api_figures.of(database).values() for value in gauge.values())
    assert all(value == 0 for value in launcher_figures.of(database, "local")["triptych_runs"].values())


def test_depth_age_and_lag_are_of_what_is_not_handled(database):
    emit(database, UPLOADED, DatasetDeleted(dataset_id="d1"))
    with database.write() as session:
        session.execute(update(EventRow).values(created_at=unix_now() - 100))
    change(database, "ingest.schema", state=HANDLED)
    change(database, "ingest.staging", due_at=unix_now() - 50)
    read = backlog.of_database(database)
    assert of(read, "triptych_queue_depth") == {"ingest.staging": 2}
    assert of(read, "triptych_queue_oldest_seconds")["ingest.staging"] == pytest.approx(100, abs=60)
    assert of(read, "triptych_outbox_pending") == {"": 2}
    assert of(read, "triptych_outbox_lag_seconds")[""] == pytest.approx(50, abs=49)


def test_what_is_published_or_leased_is_queued_but_not_due(database):
    emit(database, UPLOADED)
    change(database, "ingest.schema", due_at=unix_now() + 100)
    change(database, "ingest.staging", lease_until=unix_now() + 100)
    read = backlog.of_database(database)
    assert of(read, "triptych_queue_depth") == {"ingest.schema": 1, "ingest.staging": 1}
    assert read["triptych_outbox_pending"] == read["triptych_outbox_lag_seconds"] == {(): 0}


def test_dead_letters_are_no_longer_queued(database):
    emit(database, UPLOADED)
    change(database, "ingest.staging", state=DEAD)
    read = backlog.of_database(database)
    assert of(read, "triptych_dead_letters") == {"ingest.staging": 1}
    assert of(read, "triptych_queue_depth") == {"ingest.schema": 1}


def test_messages_in_redis_are_counted_by_queue(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        client.lpush("launcher", "a", "b")
        assert of(backlog.of_broker(client), "triptych_broker_messages") == {"launcher": 2}


def test_runs_are_told_by_state_those_that_ended_not(database):
    states = {"a": WAITING, "b": WAITING, "c": RUNNING, "d": ENDED}
    with database.write() as session:
        for job_id, state in states.items():
            launcher = None if state == WAITING else "local"
            session.add(Run(job_id=job_id, attempt=1, state=state, launcher=launcher))
        # tried before, and put back: it keeps the launcher's name
        session.add(Run(job_id="e", attempt=1, state=WAITING, launcher="local"))
    told = launcher_figures.of(database, "local")["triptych_runs"]
    assert {labels: value for labels, value in told.items() if value} == {
        ("", WAITING): 3,
        ("local", RUNNING): 1,
    }
