"""The audit log: who changed what, in the transaction of the change, and who was refused to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import g

from runtime.db import now
from services.api.audit import forget
from services.api.models import AuditEntry

pytestmark = pytest.mark.sqlite


@dataclass
class Somebody:
    workspace: str
    name: str


@pytest.fixture
def as_(platform):
    """Says whom requests come from, as access does."""
    who = {"is": None}

    @platform.app.before_request
    def _identify():
        if who["is"]:
            g.principal = who["is"]

    return lambda somebody: who.update({"is": somebody})


def entries(platform, query=""):
    return platform.client.get(f"/api/audit/{query}").json["items"]


def told(entry):
    return entry["action"], entry["object"], entry["outcome"]


def test_changes_are_told_with_what_they_were_about(platform):
    dataset = platform.upload().json["id"]
    wish = {"dataset_id": dataset, "model": "dummy_model", "ignore": ["target-leak", "images-missing"]}
    made = platform.client.post("/api/training_jobs/", json=wish, headers={"X-Request-ID": "r-7"})
    job = made.json["id"]
    platform.client.post(f"/api/training_jobs/{job}/start/")
    platform.client.delete(f"/api/datasets/{dataset}/")
    platform.client.get("/api/datasets/")
    platform.client.post("/api/training_jobs/", json={"dataset_id": 1})
    found = entries(platform)
    assert [told(entry) for entry in found] == [
        ("datasets.delete", f"datasets/{dataset}", "refused"),
        ("training_jobs.start", f"training_jobs/{job}", "done"),
        ("training_jobs.create", f"training_jobs/{job}", "done"),
        ("datasets.upload_and_detect", f"datasets/{dataset}", "done"),
    ]
    assert (found[2]["request_id"], found[2]["method"], found[2]["who"]) == ("r-7", "POST", "first key")


def test_the_log_and_the_change_are_one_transaction(platform, monkeypatch):
    dataset = platform.upload().json["id"]

    def fail(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("services.api.audit._entry", fail)
    assert platform.client.delete(f"/api/datasets/{dataset}/").status_code == 500
    monkeypatch.undo()
    assert platform.client.get(f"/api/datasets/{dataset}/").status_code == 200


def test_a_workspace_sees_its_own_entries(platform, as_):
    as_(Somebody("w1", "ann"))
    platform.upload()
    as_(Somebody("w2", "ben"))
    platform.upload()
    assert [entry["who"] for entry in entries(platform)] == ["ben"]
    assert entries(platform, "?who=ann") == []
    as_(Somebody("w1", "ann"))
    assert [
        entry["who"] for entry in entries(platform, "?who=ann&outcome=done&since=2020-01-01T00:00:00Z")
    ] == ["ann"]
    assert entries(platform, "?until=2020-01-01T00:00:00Z") == []
    assert entries(platform, "?action=datasets.delete") == []


def test_old_entries_are_forgotten(platform):
    platform.upload()
    for days, at, left in (
        (0, now() + timedelta(days=900), 1),
        (1, now(), 1),
        (1, now() + timedelta(days=2), 0),
    ):
        with platform.database.write() as session:
            forget(session, days, at)
            assert session.query(AuditEntry).count() == left
