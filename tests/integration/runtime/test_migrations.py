"""Migrations make exactly the tables that the models describe, on each database, once."""

from __future__ import annotations

import os
import subprocess
import sys

from sqlalchemy import inspect

from runtime.db import OWNERS, Database
from support.schema import BASES, differences


def test_every_owner_of_tables_is_checked_here():
    assert set(BASES) == set(OWNERS)


def test_the_tables_are_what_the_models_say(database):
    assert differences(database) == []


def test_each_owner_has_tables_of_its_own_prefix_and_version(database):
    names = set(inspect(database.engine).get_table_names())
    for owner, base in BASES.items():
        prefix = owner.rpartition(".")[2]
        assert {table.name for table in base.metadata.sorted_tables} <= names
        assert all(table.name.startswith(f"{prefix}_") for table in base.metadata.sorted_tables)
        assert f"{prefix}_alembic_version" in names


def test_an_owner_that_joins_later_gets_its_tables(database_url, monkeypatch):
    db = Database(database_url)
    for owners in (OWNERS[:1], OWNERS[:2], OWNERS):
        monkeypatch.setattr("runtime.db.OWNERS", owners)
        db.migrate()
    names = set(inspect(db.engine).get_table_names())
    db.engine.dispose()
    assert {"runtime_events", "api_jobs", "launcher_runs", "metrics_items"} <= names


def test_migrating_twice_and_at_once_is_safe(database_url):
    env = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": "redis://x", "OBJECTS_URL": "file:///x"}
    command = [sys.executable, "-m", "runtime.migrate"]
    runs = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)
    ]
    outputs = [run.communicate()[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    again = Database(database_url)
    again.migrate()
    again.engine.dispose()
