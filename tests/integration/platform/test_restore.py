"""A restore drill: dump and copy a platform at work, destroy it, and go on from the two under other names.

What docs/how-to/back-up-and-restore.md promises, by its commands but for the bucket's copy, which boto3 makes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import boto3
import psutil
import pytest
from sqlalchemy import func, select

from cli import leftovers
from runtime.db import Database
from runtime.outbox import HANDLED, PENDING, Delivery, EventRow
from services.api.models import JobStep
from support.platform import FINAL, Platform, shapes
from support.s3_server import s3_server
from support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.long]

OLD, NEW = "s3://first/files", "s3://second/copy"
SLEEPY = {"model": "dummy_model", "target": "shape", "params": {"seconds_per_epoch": 1}}
DAMAGED = "model_card.md"


@dataclass
class Drill:
    """The platform after the drill, and what was known of it before."""

    platform: Platform
    db: Database
    before: dict[str, Any]
    moved: str


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with s3_server("first") as endpoint:
        keys = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield {"AWS_ENDPOINT_URL": endpoint, **keys}


def _client(env):
    return boto3.client(
        "s3", endpoint_url=env["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test",
        region_name="us-east-1",
    )  # fmt: skip


def _platform(folder, database, objects, s3):
    folder.mkdir()
    # A trainer that is gone is told to be silent after 3 s, not 60
    env = {"DATABASE_URL": database, "OBJECTS_URL": objects, "SILENT_SECONDS": "3", "MAX_RUNNING": "2"}
    return Platform(folder, **env, **s3)


def _report(platform, job):
    return platform.client.get(f"/api/artifacts/{job}/report.json", follow_redirects=True).json()


def _use(platform):
    """Do a little of everything, and leave some of it under way."""
    table, images = shapes(120)
    dataset = platform.ready(platform.upload(table, images, "shapes.csv")["id"])["id"]
    done = platform.ended(platform.train(dataset_id=dataset, target="shape", model="linear_baseline"))
    assert done["state"] == "succeeded", done["reason"]
    alone = platform.train(dataset_id=dataset, **SLEEPY, epochs=900, resources={"max_retries": 0})
    again = platform.train(dataset_id=dataset, **SLEEPY, epochs=20)
    for job in (alone, again):
        until(
            lambda job=job: platform.get(f"/api/training_jobs/{job}/")["state"] == "running",
            "it to run",
            seconds=60,
        )
    waiting = platform.train(dataset_id=dataset, **SLEEPY, epochs=1)
    for worker in psutil.Process(platform.pid).children(recursive=True):
        if "services.ingest.worker" in worker.cmdline():
            worker.send_signal(signal.SIGSTOP)
    unstaged = platform.upload(table, images, "late.csv")["id"]
    stuck = platform.train(dataset_id=unstaged, **SLEEPY, epochs=1)
    items = platform.get("/api/artifacts/", job=done["id"])["items"]
    report = _report(platform, done["id"])
    return {
        "dataset": dataset, "done": done, "alone": alone, "again": again, "waiting": waiting, "unstaged": unstaged,
        "stuck": stuck, "artifacts": items, "report": report,
    }  # fmt: skip


def _copy(s3):
    client = _client(s3)
    client.create_bucket(Bucket="second")
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="first", Prefix="files/"):
        for item in page["Contents"]:
            key = "copy/" + item["Key"].removeprefix("files/")
            client.copy_object(Bucket="second", Key=key, CopySource={"Bucket": "first", "Key": item["Key"]})


def _destroy(platform, s3):
    """Kill every process, and lose the machine's disk and the bucket."""
    platform.kill()
    mark = str(platform.folder / "var")
    for process in leftovers.find(mark):
        if process.status() == psutil.STATUS_STOPPED:
            process.send_signal(signal.SIGKILL)
    until(lambda: not leftovers.find(mark), "every process to be gone", seconds=60)
    shutil.rmtree(platform.folder)
    client = _client(s3)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="first"):
        client.delete_objects(
            Bucket="first", Delete={"Objects": [{"Key": item["Key"]} for item in page["Contents"]]}
        )
    client.delete_bucket(Bucket="first")


@pytest.fixture(scope="module")
def drill(tmp_path_factory, _postgres, s3):
    folder = tmp_path_factory.mktemp("drill")
    first = _postgres.create_database()
    platform = _platform(folder / "first", first, OLD, s3)
    platform.start()
    try:
        before = _use(platform)
        # The order that loses least: rows first, then the objects that they name
        _postgres.dump(first, folder / "triptych.dump")
        _copy(s3)
    finally:
        _destroy(platform, s3)
    _postgres.drop_database(first)
    # What a copy made before the dump would lack
    done = before["done"]["id"]
    _client(s3).delete_object(Bucket="second", Key=f"copy/jobs/{done}/1/{DAMAGED}")

    second = _postgres.create_database()
    _postgres.restore(second, folder / "triptych.dump")
    env = {**os.environ, **s3, "DATABASE_URL": second, "REDIS_URL": "redis://unused", "OBJECTS_URL": NEW}
    moved = subprocess.run(
        [sys.executable, "-m", "runtime.relocate", OLD], env=env, check=True, capture_output=True, text=True
    )
    db = Database(second)
    with db.read() as session:
        before["pending"] = session.scalars(select(Delivery.id).where(Delivery.state == PENDING)).all()
    platform = _platform(folder / "second", second, NEW, s3)
    platform.start()
    yield Drill(platform, db, before, moved.stdout)
    platform.stop()
    db.engine.dispose()


def test_what_had_ended_is_as_it_was(drill):
    platform, before = drill.platform, drill.before
    assert platform.get(f"/api/datasets/{before['dataset']}/")["state"] == "ready"
    job = platform.get(f"/api/training_jobs/{before['done']['id']}/")
    assert job == before["done"]
    assert _report(platform, job["id"]) == before["report"]
    assert platform.get("/api/metrics/", job=job["id"])["items"][-1]["data"]["state"] == "succeeded"
    preview = platform.get(f"/api/datasets/{before['dataset']}/preview/")
    picture = platform.client.get(preview["thumbnails"][0]["picture"])
    assert picture.headers["content-type"] == "image/webp"


def test_every_artifact_that_was_copied_is_served_from_its_new_place(drill):
    items = drill.platform.get("/api/artifacts/", job=drill.before["done"]["id"])["items"]
    assert [item["sha256"] for item in items] == [item["sha256"] for item in drill.before["artifacts"]]
    for item in items:
        assert item["uri"].startswith(f"{NEW}/jobs/")
        answer = drill.platform.client.get(item["download_url"], follow_redirects=True)
        if item["name"] == DAMAGED:
            assert answer.status_code in {403, 404}  # S3's word, which depends on the right to list
        else:
            assert hashlib.sha256(answer.content).hexdigest() == item["sha256"]


def test_the_model_predicts(drill):
    wish = {"job_id": drill.before["done"]["id"], "dataset_id": drill.before["dataset"]}
    asked = drill.platform.client.post("/api/predictions/", json=wish).json()["id"]

    def end():
        shown = drill.platform.get(f"/api/predictions/{asked}/")
        return shown if shown["state"] in {"succeeded", "failed"} else None

    ended = until(end, "the prediction to end", seconds=180)
    assert (ended["state"], ended["rows"]) == ("succeeded", 120), ended["reason"]


def test_a_job_whose_trainer_died_with_the_machine_ends_with_that_reason(drill):
    ended = drill.platform.ended(drill.before["alone"])
    assert ended["state"] == "failed"
    assert "lost: local no longer knows" in ended["reason"]


def test_one_that_may_be_tried_again_is_and_its_history_says_why(drill):
    ended = drill.platform.ended(drill.before["again"])
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2), ended["reason"]
    assert any("lost: local no longer knows" in (step["reason"] or "") for step in ended["history"])


def test_one_that_had_not_begun_is_begun(drill):
    ended = drill.platform.ended(drill.before["waiting"])
    assert (ended["state"], ended["attempt"]) == ("succeeded", 1), ended["reason"]


def test_a_data_set_whose_upload_lay_on_the_lost_disk_says_so_and_so_does_its_job(drill):
    rejected = drill.platform.ready(drill.before["unstaged"])
    assert (rejected["state"], rejected["reason"].count("upload it again")) == ("rejected", 1)
    ended = drill.platform.ended(drill.before["stuck"])
    assert ended["state"] == "failed"
    assert "the data set was rejected: its upload is not in the spool" in ended["reason"]


def test_what_the_outbox_held_is_delivered_and_every_attempt_has_one_end(drill):
    for name in ("alone", "again", "waiting", "stuck"):
        drill.platform.ended(drill.before[name])
    assert len(drill.before["pending"]) >= 2, "the two tracks of the late upload, at least"

    def left():
        with drill.db.read() as session:
            return session.scalar(select(func.count()).where(Delivery.state == PENDING))

    until(lambda: not left(), "everything to be delivered", seconds=60)
    with drill.db.read() as session:
        states = session.scalars(select(Delivery.state).where(Delivery.id.in_(drill.before["pending"]))).all()
        assert set(states) == {HANDLED}
        ends = session.execute(
            select(JobStep.job_id, JobStep.attempt, func.count())
            .where(JobStep.state.in_(FINAL))
            .group_by(JobStep.job_id, JobStep.attempt)
        ).all()
        assert {count for *_, count in ends} == {1}
        told = session.scalar(
            select(func.count()).where(EventRow.envelope["event"].as_string() == "job.ended.v1")
        )
        assert told == len(ends) == 5


def test_the_move_said_what_it_changed(drill):
    assert {"api_datasets", "api_jobs", "runtime_events"} <= {
        line.split(":")[0] for line in drill.moved.splitlines()
    }
