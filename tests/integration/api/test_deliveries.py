"""Operators see what is dead and why, and give it another try where that does what it says."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.callback import Outcome
from contracts.events import (
    DatasetDeleted,
    DatasetSchemaDetected,
    DatasetSchemaFailed,
    DatasetStaged,
    DatasetUploaded,
    JobFinished,
    JobLaunchRequested,
    JobLost,
    PredictionRequested,
    WorkAbandoned,
)
from contracts.prediction import PredictionTask
from runtime.bus import Consumer
from runtime.db import now
from runtime.outbox import Outbox, claim
from runtime.relay import Relay
from services.api.cleaning import Cleaner
from services.api.handlers import Handlers

UPLOADED = DatasetUploaded(dataset_id="d1", spool="d1", table_bytes=1, files=0, file_bytes=0)
LAUNCH = JobLaunchRequested(job_id="j1", attempt=2, spec={})


class Broken(Exception):
    pass


def breaking(_event, _work):
    raise Broken("the store answers nonsense")


def die(platform, event, queue):
    """Emit an event and let its handler on the queue break; give the delivery's number."""
    outbox = Outbox(lambda: None)
    with platform.database.write() as session:
        outbox.emit(session, event)
    [item] = [
        item
        for item in ask(platform, f"?state=pending&queue={queue}")["items"]
        if item["event"] == event.NAME
    ]
    Consumer(platform.database, outbox, queue, {event.NAME: breaking}).receive(item["id"])
    return item["id"]


def ask(platform, path=""):
    answer = platform.client.get(f"/api/deliveries/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json


def handle(platform, queue, event, number):
    def finish(_event, work):
        with work.finish():
            pass

    Consumer(platform.database, Outbox(lambda: None), queue, {event: finish}).receive(number)


def test_a_dead_letter_says_what_died_and_why(platform):
    number = die(platform, DatasetDeleted(dataset_id="d1"), "ingest.staging")
    listed = ask(platform)
    assert (listed["total"], listed["page"], listed["page_size"]) == (1, 1, 50)
    [item] = listed["items"]
    assert item["emitted_at"] <= item["ended_at"]
    assert {
        "id": number,
        "state": "dead",
        "queue": "ingest.staging",
        "event": "dataset.deleted.v1",
        "subject": "d1",
        "attempts": 1,
        "last_error": "Broken: the store answers nonsense",
        "instead": None,
    }.items() <= item.items()
    assert ask(platform, f"{number}/")["data"] == {"dataset_id": "d1", "job_ids": []}


def test_lists_are_paged_latest_first_and_filtered(platform):
    numbers = [die(platform, DatasetDeleted(dataset_id=f"d{n}"), "ingest.staging") for n in range(3)]
    assert [i["id"] for i in ask(platform, "?page_size=2")["items"]] == numbers[:0:-1]
    assert [i["id"] for i in ask(platform, "?page_size=2&page=2")["items"]] == numbers[:1]
    assert ask(platform, "?queue=launcher")["items"] == []
    # Each death was told to two queues
    assert ask(platform, "?state=pending")["total"] == 6
    assert platform.client.get("/api/deliveries/?state=gone").status_code == 422


def test_a_requeue_gives_another_try_and_may_be_asked_twice(platform):
    number = die(platform, DatasetDeleted(dataset_id="d1"), "ingest.staging")
    for _ in range(2):
        answer = platform.client.post(f"/api/deliveries/{number}/requeue/")
        assert (answer.status_code, answer.json["state"], answer.json["attempts"]) == (202, "pending", 0)
        assert answer.json["ended_at"] is None
    handle(platform, "ingest.staging", "dataset.deleted.v1", number)
    # Once it is handled, too
    answer = platform.client.post(f"/api/deliveries/{number}/requeue/")
    assert (answer.status_code, answer.json["state"], answer.json["attempts"]) == (202, "handled", 1)


@pytest.mark.parametrize(
    ("event", "queue", "advice"),
    [
        (LAUNCH, "launcher", "/api/training_jobs/j1/retry/"),
        (UPLOADED, "ingest.schema", "upload it again"),
        (UPLOADED, "ingest.staging", "upload it again"),
        (
            PredictionRequested(
                prediction_id="p1",
                artifacts="s3://b/jobs/j1/1",
                task=PredictionTask(table="s3://b/t.csv", images=None, out="s3://b/o.csv"),
            ),
            "predictor",
            "POST /api/predictions/",
        ),
    ],
    ids=["launch", "schema", "staging", "prediction"],
)
def test_what_ended_with_its_delivery_is_not_requeued_but_told_how_to_ask_again(
    platform, event, queue, advice
):
    number = die(platform, event, queue)
    assert advice in ask(platform, f"{number}/")["instead"]
    answer = platform.client.post(f"/api/deliveries/{number}/requeue/")
    assert answer.status_code == 409
    assert advice in answer.json["detail"]
    assert ask(platform, f"{number}/")["state"] == "dead"


def hear_all(platform):
    """Let the api handle whatever waits in its queue."""
    consumer = Consumer(platform.database, Outbox(lambda: None), "api", platform._handlers)
    for item in reversed(ask(platform, "?state=pending&queue=api&page_size=100")["items"]):
        consumer.receive(item["id"])


def lose_workers(platform, queue):
    """Let three workers die at the one delivery of a queue; give its number."""
    outbox = Outbox(lambda: None)
    [item] = ask(platform, f"?state=pending&queue={queue}")["items"]
    for _ in range(3):
        with platform.database.write() as session:
            claim(session, item["id"], queue, seconds=-1)
    Relay(platform.database, outbox, lambda *_: None, again_seconds=0.0).publish_due()
    return item["id"]


def shown(platform, dataset):
    return platform.client.get(f"/api/datasets/{dataset}/").json


def test_an_upload_that_three_workers_died_at_is_kept_and_requeued(platform):
    dataset = platform.upload().json["id"]
    spool = platform.settings.spool_dir / dataset
    number = lose_workers(platform, "ingest.staging")
    hear_all(platform)
    platform.hear(DatasetSchemaFailed(dataset_id=dataset, reason="late"))
    assert shown(platform, dataset)["staging_track"]["reason"] == (
        "given up after 3 tries: the worker died 3 times while at it"
    )
    assert (shown(platform, dataset)["state"], spool.exists()) == ("rejected", True)
    assert ask(platform, f"{number}/")["instead"] is None
    for _ in range(2):
        answer = platform.client.post(f"/api/deliveries/{number}/requeue/")
        assert (answer.status_code, answer.json["state"]) == (202, "pending")
    track = shown(platform, dataset)["staging_track"]
    assert (track["state"], track["reason"], spool.exists()) == ("pending", None, True)


@pytest.mark.parametrize("both", [False, True], ids=["one track", "both tracks"])
def test_a_data_set_whose_dead_letters_were_requeued_becomes_ready_and_frees_the_spool(platform, both):
    dataset = platform.upload().json["id"]
    dead = {queue: lose_workers(platform, queue) for queue in ("ingest.schema", "ingest.staging")[not both :]}
    hear_all(platform)
    assert shown(platform, dataset)["state"] == "rejected"
    for number in dead.values():
        platform.client.post(f"/api/deliveries/{number}/requeue/")
    assert shown(platform, dataset)["state"] == "uploaded"
    for queue, number in dead.items():
        handle(platform, queue, UPLOADED.NAME, number)
    platform.stage(dataset)
    assert (shown(platform, dataset)["state"], shown(platform, dataset)["reason"]) == ("ready", None)
    assert not (platform.settings.spool_dir / dataset).exists()


def test_that_it_was_given_up_changes_nothing_where_it_was_requeued_before_the_api_heard(platform):
    dataset = platform.upload().json["id"]
    number = lose_workers(platform, "ingest.staging")
    platform.client.post(f"/api/deliveries/{number}/requeue/")
    hear_all(platform)
    assert shown(platform, dataset)["state"] == "uploaded"


def test_the_upload_of_what_was_given_up_goes_after_the_days_that_are_set(platform):
    dataset = platform.upload().json["id"]
    number = lose_workers(platform, "ingest.staging")
    hear_all(platform)
    platform.hear(DatasetSchemaFailed(dataset_id=dataset, reason="late"))
    keep = timedelta(days=platform.settings.keep_failed_uploads_days)
    spool = platform.settings.spool_dir / dataset
    for over, there in ((-timedelta(hours=1), True), (timedelta(hours=1), False)):
        at = now() + keep + over
        Cleaner(platform.database, platform.store, platform.settings, lambda at=at: at).round()
        assert spool.exists() is there
    answer = platform.client.post(f"/api/deliveries/{number}/requeue/")
    assert (answer.status_code, "upload it again" in answer.json["detail"]) == (409, True)


def test_a_schema_that_the_api_cannot_fetch_for_now_is_waited_for_and_the_data_set_says_so(platform):
    dataset = platform.upload().json["id"]
    key = f"datasets/{dataset}/schema.json"
    platform.store.put_bytes(key, json.dumps(shown(platform, dataset)["schema"]).encode())
    outbox = Outbox(lambda: None)
    with platform.database.write() as session:
        outbox.emit(
            session,
            DatasetSchemaDetected(dataset_id=dataset, schema_uri=platform.store.uri(key), rows=40, columns=4),
        )
    [item] = ask(platform, "?state=pending&queue=api")["items"]

    class Away:
        def key_of(self, uri):
            return platform.store.key_of(uri)

        def get_bytes(self, _key):
            raise EndpointConnectionError(endpoint_url="http://s3")

    for store, state in ((Away(), "pending"), (platform.store, "detected")):
        handlers = Handlers(store, platform.settings.spool_dir).table()
        Consumer(platform.database, outbox, "api", handlers).receive(item["id"])
        track = shown(platform, dataset)["schema_track"]
        assert track["state"] == state
        if state == "pending":
            assert re.match(r"waits for the store or a disk since 2\S+ \d\d:\d\d UTC", track["reason"])
            assert "http://s3" in track["reason"]
        else:
            assert track["reason"] is None


def test_a_data_set_says_which_dead_letter_keeps_it(platform):
    dataset = platform.upload().json["id"]
    staged = DatasetStaged(
        dataset_id=dataset, train_file="s3://b/t.csv", train_folder=None, bytes_total=1, files=0
    )
    number = die(platform, staged, "api")
    hear_all(platform)
    tracks = shown(platform, dataset)
    assert tracks["staging_track"]["state"] == "pending"
    assert tracks["staging_track"]["reason"] == (
        f"dataset.staged.v1 was given up, an operator can requeue it (dead letter {number}): "
        "Broken: the store answers nonsense"
    )
    assert tracks["schema_track"]["reason"] is None
    platform.client.post(f"/api/deliveries/{number}/requeue/")
    hear_all(platform)
    assert shown(platform, dataset)["staging_track"] == {
        **tracks["staging_track"],
        "state": "staged",
        "reason": None,
        "bytes_done": 1,
    }


@pytest.mark.parametrize(
    "told",
    [
        lambda job: JobFinished(job_id=job, attempt=1, outcome=Outcome.FAILED, reason="exit 3"),
        lambda job: JobLost(job_id=job, attempt=1, reason="exit 3"),
    ],
    ids=["finished", "lost"],
)
def test_a_job_says_which_dead_letter_keeps_its_end_from_it(platform, told):
    dataset = platform.upload().json["id"]
    platform.stage(dataset)
    job = start(platform, dataset)
    number = die(platform, told(job), "api")
    hear_all(platform)

    def state():
        answer = platform.client.get(f"/api/training_jobs/{job}/").json
        return answer["state"], answer["reason"] or ""

    assert state()[0] == "queued"
    assert f"(dead letter {number}): Broken" in state()[1]
    platform.client.post(f"/api/deliveries/{number}/requeue/")
    hear_all(platform)
    assert "dead letter" not in state()[1]
    assert "exit 3" in state()[1]


def test_news_of_a_launch_may_be_requeued(platform):
    number = die(platform, LAUNCH, "metrics")
    assert platform.client.post(f"/api/deliveries/{number}/requeue/").status_code == 202


def test_an_unknown_delivery_is_not_found(platform):
    assert platform.client.get("/api/deliveries/7/").status_code == 404
    assert platform.client.post("/api/deliveries/7/requeue/").status_code == 404


def start(platform, dataset):
    """Start a job and give its id."""
    wish = {
        "dataset_id": dataset,
        "target": "label",
        "model": "dummy_model",
        "start": True,
        "resources": {"max_retries": 0},
        "ignore": ["images-missing", "target-leak"],
    }
    return platform.client.post("/api/training_jobs/", json=wish).json["id"]


def test_what_is_told_late_of_an_earlier_attempt_leaves_the_present_one_alone(platform):
    dataset = platform.upload().json["id"]
    platform.stage(dataset)
    job = start(platform, dataset)

    def abandon(attempt):
        platform.hear(
            WorkAbandoned(
                queue="launcher",
                event=LAUNCH.NAME,
                subject=job,
                attempts=3,
                reason="no database",
                job_attempt=attempt,
            )
        )
        return platform.client.get(f"/api/training_jobs/{job}/").json["state"]

    assert abandon(1) == "failed"
    assert platform.client.post(f"/api/training_jobs/{job}/retry/").status_code == 202
    assert abandon(1) == "queued"
    assert abandon(2) == "failed"
