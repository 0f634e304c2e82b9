"""From every revision there ever was, with rows in its tables, to the present one: nothing is lost, and the models can read it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, insert, select

from contracts.events import JobDeleted
from contracts.topology import METRICS
from runtime.access import jobs as owners
from runtime.db import OWNERS, Database, _upgrade, alembic_config
from runtime.outbox import Delivery, claim
from services.api.models import Chore, Job
from services.launcher.models import Run
from services.metrics.models import Job as Told
from support.schema import BASES, differences

AT = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
ASSET = [{"name": "model.pt", "uri": "s3://b/jobs/j/2/model.pt", "size": 3, "sha256": "0"}]
# A row or more for each table, as the services write them; a revision gets those of its tables and columns
ROWS = {
    "runtime_events": [{"id": "e1", "envelope": {"event": "job.lost.v1", "data": {"ä": None, "job_id": "j1"}}, "created_at": 1.5}],
    "runtime_deliveries": [
        {
            "id": number, "event_id": "e1", "queue": "api", "state": state, "due_at": 7.25, "published": 2, "attempts": 3,
            "lease_token": 4, "lease_until": 0.0, "last_error": "no – store", "handled_at": handled_at,
        }
        for number, state, handled_at in ((1, "pending", None), (2, "dead", None), (3, "handled", 9.5))
    ],
    "api_datasets": [
        {
            "workspace_id": "w1", "id": "d1", "name": "Katzen & 猫", "state": "ready", "created_at": AT, "table_name": "pets.csv",
            "table_bytes": 2**40, "files": 2, "file_bytes": 5, "schema_state": "detected", "schema_reason": None,
            "staging_state": "staged", "staging_reason": None, "bytes_done": 2**40 + 5,
            "train_file": "s3://b/datasets/d1/table.csv", "train_folder": "s3://b/datasets/d1/images", "rows": 2**33,
            "n_columns": 3, "detected": {"columns": []}, "preview": {"rows": [["1", None]]},
            "overrides": {"x": {"type": "text"}}, "target": "breed",
        }
    ],
    "api_jobs": [
        {
            "workspace_id": "w1", "id": job, "name": "a job", "dataset_id": "d1", "model": "trees", "target": "breed",
            "settings": {"resources": {"cpus": 2.0}}, "state": state, "reason": reason, "attempt": attempt,
            "launch_requested": True, "launcher": "local", "handle": "j/2", "metrics": {"accuracy": 0.5},
            "artifacts": ASSET, "created_at": AT, "started_at": AT, "finished_at": None, "findings": [{"code": "imbalance"}],
            "last_attempt": attempt + 3, "ran_seconds": 12.5, "cancel_requested": True, "checkpoints_from": 2,
        }
        for job, state, reason, attempt in (("j1", "running", None, 2), ("j2", "failed", "exit 3: …", 5))
    ],
    "api_job_steps": [
        {"id": number, "job_id": "j1", "attempt": 1, "state": state, "reason": None, "at": AT}
        for number, state in ((1, "created"), (2, "queued"))
    ],
    "api_predictions": [
        {
            "workspace_id": "w1", "id": "p1", "job_id": "j1", "dataset_id": None, "name": "row", "state": "succeeded", "reason": None, "top_k": 3,
            "contributions": False, "rows": 1, "size": 80, "notes": ["a note"], "created_at": AT, "finished_at": AT,
        }
    ],
    "api_uploads": [
        {
            "workspace_id": "w1", "way": "spool", "id": "u1", "name": None, "fingerprint": "f", "state": "open", "reason": None, "offset": 3, "length": 2**35,
            "files": 1, "created_at": AT, "expires_at": AT,
        }
    ],
    "runtime_workspaces": [],  # its migration writes the only row
    "runtime_keys": [],
    "runtime_sessions": [],
    "runtime_jobs": [],
    "runtime_oidc_flows": [],
    "api_garbage": [{"key": "jobs/x", "why": "nothing refers to it", "due_at": AT}],
    "api_idempotency": [
        {
            "id": "0" * 64, "fingerprint": "1" * 64, "state": "answered", "token": 1, "busy_until": AT, "expires_at": AT,
            "status": 201, "headers": {"Content-Type": "application/json"}, "body": b"{}",
        }
    ],
    "api_audit": [
        {
            "id": 1, "at": AT, "workspace": None, "who": None, "request_id": "r", "method": "POST",
            "action": "training_jobs.start", "object": "training_jobs/j1", "outcome": "done",
        }
    ],
    "api_webhooks": [
        {
            "id": "w1", "workspace_id": "w1", "name": "ops", "url": "https://a.example/", "events": ["job.failed"],
            "secret": "whsec_AAAA", "enabled": True, "created_at": AT,
        }
    ],
    "api_webhook_messages": [
        {
            "id": 1, "message_id": "msg_1", "webhook_id": "w1", "event": "job.failed", "body": "{}", "state": "dead",
            "attempts": 9, "due_at": 1.5, "last_status": 500, "last_error": "the receiver answered 500", "created_at": AT,
            "ended_at": AT,
        }
    ],
    "api_chores": [],  # its migration writes the only row
    "launcher_runs": [
        {
            "id": 1, "job_id": "j1", "attempt": 2, "state": "running", "spec": {"MODEL": "trees"}, "cpus": 2.0,
            "memory_mb": 4096, "max_seconds": 60, "correlation": {"request_id": "r"}, "requested_at": AT, "due_at": 1.0,
            "launch_tries": 1, "first_tried_at": 2.0, "launcher": "local", "handle": "j1/2", "launched_at": AT,
            "cancel_requested": False, "stop_reason": None, "reported": False, "reported_at": None, "gone_at": None,
            "ended_at": None, "exit_code": None, "reason": None, "ran_seconds": 3.0, "max_idle_seconds": 9,
            "started_at": 4.0, "silent_since": None, "silent_until": 5.0, "everyone_silent": False,
        }
    ],
    "metrics_jobs": [
        {
            "job_id": "j1", "attempt": 2, "state": "running", "reason": "", "launched": True, "last_seq": 1,
            "heartbeat": '{"phase": "training"}', "last_seen": AT, "ended_at": None, "silence_told_at": None,
        }
    ],
    "metrics_items": [
        {
            "job_id": "j1", "seq": 1, "identity": "p:2:train:1:0", "kind": "point", "attempt": 2, "at": AT,
            "data": '{"values": {"loss": 0.25}}',
        }
    ],
}  # fmt: skip


def _revisions(owner):
    scripts = ScriptDirectory.from_config(alembic_config(owner))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


REVISIONS = {owner: _revisions(owner) for owner in OWNERS}
# PostgreSQL from the first of each room; what lies between differs from SQLite in nothing that these migrations use
CASES = [
    pytest.param((kind, owner, revision), id=f"{kind}-{revision}", marks=pytest.mark.long if later else ())
    for kind in ("sqlite", "postgresql")
    for owner, revisions in REVISIONS.items()
    for number, revision in enumerate(revisions[:-1])
    for later in [kind == "postgresql" and number > 0]
]


@pytest.fixture
def old(request, tmp_path):
    """A database whose tables of one room are those of an earlier revision, with rows; the other rooms have none yet, but for the runtime, whose
    migrations come first and whose tables the others' may fill."""
    kind, owner, revision = request.param
    server = request.getfixturevalue("_postgres") if kind == "postgresql" else None
    url = server.create_database() if server else f"sqlite:///{tmp_path}/old.db"
    db = Database(url)
    with db.engine.connect() as connection:
        for each, end in {OWNERS[0]: "head", owner: revision}.items():
            _upgrade(connection, each, end)
            connection.commit()
    yield db, owner, revision, _fill(db, owner)
    db.engine.dispose()
    if server:
        server.drop_database(url)


def _tables(db, owner):
    """Give a room's tables as they are, but typed as the models have them, so that values are compared and not their storage."""
    there = MetaData()
    there.reflect(db.engine)
    models = BASES[owner].metadata.tables
    for table in there.sorted_tables:
        for column in table.columns:
            if table.name in models and column.name in models[table.name].columns:
                column.type = models[table.name].columns[column.name].type
    return [table for table in there.sorted_tables if table.name in models]


def _fill(db, owner):
    put = {}
    with db.write() as session:
        for table in _tables(db, owner):
            rows = [{key: row[key] for key in row if key in table.columns} for row in ROWS[table.name]]
            lacking = (
                {column.name for column in table.columns if not column.nullable} - rows[0].keys()
                if rows
                else set()
            )
            assert not lacking, f"{table.name} has new columns; say in ROWS what they hold: {lacking}"
            if rows:
                session.execute(insert(table), rows)
            put[table.name] = rows
    return put


@pytest.mark.parametrize("old", CASES, indirect=True)
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection:sqlalchemy.exc.SAWarning")
def test_every_row_is_there_after_the_upgrade_and_the_tables_are_what_the_models_say(old):
    db, owner, revision, put = old
    db.migrate()
    assert differences(db) == []
    with db.read() as session:
        for table in _tables(db, owner):
            key = [column.name for column in table.primary_key.columns]
            found = {
                tuple(row[name] for name in key): row for row in session.execute(select(table)).mappings()
            }
            for row in put.get(table.name, []):
                now = found[tuple(row[name] for name in key)]
                kept = {name: now[name] for name in row}
                # The one value that a migration fills in
                died = (
                    {"handled_at": row["due_at"]}
                    if (row.get("state"), revision) == ("dead", "runtime_0001")
                    else {}
                )
                assert kept == row | died, table.name
        for mapper in BASES[owner].registry.mappers:
            assert session.scalars(select(mapper.class_)).all() or not put.get(mapper.class_.__tablename__)


def _upgraded(tmp_path, owner, revision):
    db = Database(f"sqlite:///{tmp_path}/old.db")
    with db.engine.connect() as connection:
        _upgrade(connection, owner, revision)
        connection.commit()
    _fill(db, owner)
    db.migrate()
    return db


def test_jobs_of_a_time_without_retries_are_promised_none(tmp_path):
    db = _upgraded(tmp_path, "services.api", "api_0006")
    with db.read() as session:
        job = session.get(Job, "j2")
        assert (job.attempt, job.last_attempt, job.ran_seconds, job.cancel_requested) == (5, 5, 0.0, False)
        assert (job.checkpoints_from, session.get(Chore, "clean").due_at) == (1, 0.0)
    db.engine.dispose()


def test_a_run_that_was_on_its_way_may_be_silent_for_ever_as_before(tmp_path):
    db = _upgraded(tmp_path, "services.launcher", "launcher_0001")
    with db.read() as session:
        run = session.get(Run, 1)
        assert (run.state, run.max_idle_seconds, run.silent_until, run.everyone_silent) == (
            "running",
            0,
            0.0,
            False,
        )
    db.engine.dispose()


def test_a_dead_delivery_has_a_time_of_death_and_a_pending_one_is_still_due(tmp_path):
    db = _upgraded(tmp_path, "runtime", "runtime_0001")
    with db.read() as session:
        told = {row.state: (row.due_at, row.handled_at) for row in session.scalars(select(Delivery))}
    assert told == {"pending": (7.25, None), "dead": (7.25, 7.25), "handled": (7.25, 9.5)}
    db.engine.dispose()


def test_what_is_open_or_dead_says_whom_it_is_about_and_since_when_it_is_stuck(tmp_path):
    db = _upgraded(tmp_path, "runtime", "runtime_0001")
    with db.read() as session:
        told = {row.state: (row.subject, row.stuck_since) for row in session.scalars(select(Delivery))}
        assert told == {"pending": ("j1", None), "dead": ("j1", 7.25), "handled": ("", None)}
    db.engine.dispose()


def test_a_job_whose_silence_was_never_told_says_so(tmp_path):
    db = _upgraded(tmp_path, "services.metrics", "metrics_0001")
    with db.read() as session:
        assert session.get(Told, "j1").silence_told_at is None
    db.engine.dispose()


def test_jobs_that_were_deleted_unheard_are_told_to_the_metrics_service(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/old.db")
    with db.engine.connect() as connection:
        for owner, revision in (("runtime", "head"), ("services.api", "api_0012")):
            _upgrade(connection, owner, revision)
            connection.commit()
    _fill(db, "services.api")
    with db.write() as session:
        for job_id in ("j1", "j2", "gone"):
            owners.own(session, job_id, "default")
    db.migrate()
    with db.write() as session:
        (row,) = session.scalars(select(Delivery)).all()
        lease = claim(session, row.id, METRICS, seconds=60)
    assert lease.envelope.decode() == JobDeleted(job_id="gone")
    assert lease.envelope.correlation == {"job_id": "gone"}
    db.engine.dispose()


def test_every_table_has_a_row_to_upgrade():
    assert set(ROWS) == {name for base in BASES.values() for name in base.metadata.tables}
