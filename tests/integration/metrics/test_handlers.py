"""What the queue `metrics` tells, as viewers see it."""

from __future__ import annotations

import time

import pytest
from integration.metrics.conftest import NO_REDIS
from integration.metrics.running import body, final, points
from integration.metrics.test_callbacks import kinds, send

from contracts import topology
from contracts.callback import ArtifactInfo, Outcome, sign_token
from contracts.events import (
    EndCause,
    JobEnded,
    JobFinished,
    JobLaunched,
    JobLaunchRequested,
    JobLost,
    WorkAbandoned,
)
from runtime.announcer import Announcer
from runtime.outbox import EventRow
from services.metrics.handlers import Handlers
from services.metrics.models import Job
from services.metrics.publisher import Publisher

MODEL = ArtifactInfo(name="model.pt", uri="s3://b/model.pt", size=10, sha256="0" * 64)
REQUESTED = JobLaunchRequested(job_id="j", attempt=1, spec={})
LAUNCHED = JobLaunched(job_id="j", attempt=1, launcher="local", handle="42")
FAILED = JobFinished(job_id="j", attempt=1, outcome="failed", reason="exit 137")
LOST = JobLost(job_id="j", attempt=1, reason="no sign of life")
RECLAIMED = FAILED.model_copy(update={"cause": EndCause.RECLAIMED})
ENDED = JobEnded(job_id="j", attempt=1, outcome="failed", reason="given up")
AGAIN = REQUESTED.model_copy(update={"attempt": 2})


def abandoned(queue=topology.LAUNCHER, event=JobLaunchRequested.NAME, subject="j"):
    return WorkAbandoned(queue=queue, event=event, subject=subject, attempts=3, reason="no capacity")


def reason(database):
    with database.read() as session:
        return session.get(Job, "j").reason


def test_every_event_on_the_queue_has_a_handler():
    publisher = Publisher(Announcer(NO_REDIS, timeout_seconds=0.1, pause_seconds=60))
    heard = {name for name, queues in topology.TOPOLOGY.items() if topology.METRICS in queues}
    assert set(Handlers(publisher).table()) == heard


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ([REQUESTED], ["queued"]),
        ([REQUESTED, REQUESTED], ["queued"]),
        ([REQUESTED, LAUNCHED], ["queued", "launching"]),
        ([LAUNCHED, REQUESTED], ["launching"]),
        ([REQUESTED, LAUNCHED, FAILED], ["queued", "launching", "failed"]),
        ([REQUESTED, FAILED, LAUNCHED], ["queued", "failed"]),
        ([FAILED, REQUESTED], ["failed"]),
        ([FAILED, LOST], ["failed"]),
        ([REQUESTED, LOST], ["queued", "interrupted"]),
        ([REQUESTED, LOST, LOST, RECLAIMED], ["queued", "interrupted"]),
        ([REQUESTED, LOST, AGAIN], ["queued", "interrupted", "queued"]),
        ([REQUESTED, AGAIN, LOST, ENDED], ["queued", "queued"]),
        ([REQUESTED, RECLAIMED, ENDED], ["queued", "interrupted", "failed"]),
        ([REQUESTED, ENDED, RECLAIMED], ["queued", "failed"]),
        ([REQUESTED, FAILED, ENDED], ["queued", "failed"]),
        ([ENDED], ["failed"]),
        ([REQUESTED, abandoned()], ["queued", "failed"]),
        ([abandoned()], []),
        ([REQUESTED, abandoned(queue=topology.METRICS)], ["queued"]),
        ([REQUESTED, abandoned(event="job.cancel_requested.v1")], ["queued"]),
        ([REQUESTED, FAILED, REQUESTED.model_copy(update={"attempt": 2})], ["queued", "failed", "queued"]),
        ([REQUESTED.model_copy(update={"attempt": 2}), FAILED], ["queued"]),
    ],
)
def test_states_in_whatever_order_events_arrive(handle, client, told, seen):
    for event in told:
        handle(event)
    assert kinds(client) == seen


def test_a_trainer_that_died_silently_gets_its_end_with_the_reason(handle, client, database):
    handle(REQUESTED)
    send(client, body(points=points(0)))
    handle(FAILED)
    assert kinds(client) == ["queued", "running", "point", "failed"]
    assert reason(database) == "exit 137"


def test_the_trainers_own_end_is_not_repeated(handle, client):
    send(client, body(final=final(artifacts=[MODEL])))
    handle(JobFinished(job_id="j", attempt=1, outcome="succeeded", artifacts=[MODEL]))
    handle(LOST)
    assert kinds(client) == ["running", "artifact", "succeeded"]


def test_a_trainer_that_was_stopped_ends_nothing_until_it_is_known_why(handle, client, database):
    handle(REQUESTED)
    send(client, body(points=points(0)))
    for _ in range(2):
        assert send(client, body(final=final("cancelled", reason="SIGTERM"))).status_code == 204
    send(client, body(points=points(1)))
    assert kinds(client) == ["queued", "running", "point", "interrupted", "point"]
    with database.read() as session:
        names = [row.envelope["event"] for row in session.query(EventRow)]
    assert names.count(JobFinished.NAME) == 1
    handle(ENDED.model_copy(update={"outcome": Outcome.CANCELLED}))
    assert kinds(client)[-1] == "cancelled"


def test_a_trainer_that_failed_by_nobodys_fault_ends_nothing_until_it_is_known_what_follows(
    handle, client, database
):
    handle(REQUESTED)
    assert send(client, body(final=final("failed", reason="no store", passing=True))).status_code == 204
    assert kinds(client) == ["queued", "running", "interrupted"]
    with database.read() as session:
        told = [
            row.envelope["data"]
            for row in session.query(EventRow)
            if row.envelope["event"] == JobFinished.NAME
        ]
    assert [(each["outcome"], each["cause"], each["reason"]) for each in told] == [
        ("cancelled", "interrupted", "no store")
    ]


def test_a_job_of_elsewhere_ends_when_its_trainer_says_so(client):
    headers = {"X-Callback-Token": sign_token("j", int(time.time()) + 60, "f" * 32)}
    assert send(client, body(final=final("cancelled")), headers=headers).status_code == 204
    assert kinds(client) == ["running", "cancelled"]


def test_a_job_of_elsewhere_that_failed_by_nobodys_fault_has_failed(client):
    headers = {"X-Callback-Token": sign_token("j", int(time.time()) + 60, "f" * 32)}
    assert send(client, body(final=final("failed", passing=True)), headers=headers).status_code == 204
    assert kinds(client) == ["running", "failed"]


def test_a_trainer_faster_than_the_queue_is_not_set_back(handle, client):
    send(client, body(points=points(0)))
    handle(REQUESTED)
    handle(LAUNCHED)
    handle(abandoned())
    assert kinds(client) == ["running", "point"]


def test_artifacts_told_by_the_launcher_come_before_the_end(handle, client):
    handle(JobFinished(job_id="j", attempt=1, outcome="succeeded", artifacts=[MODEL]))
    assert kinds(client) == ["artifact", "succeeded"]


def test_a_registered_job_takes_version_2_only(handle, client):
    handle(REQUESTED)
    assert send(client, body(), headers={"X-Callback-Token": "1.x"}).status_code == 401
    assert send(client, body()).status_code == 204
