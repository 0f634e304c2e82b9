"""What ECS tells through EventBridge and SQS only hastens: a task that changed is looked at before the next round."""

from __future__ import annotations

import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from runtime.errors import Transient
from services.launcher.backend import Refused
from services.launcher.notices import TaskNotices, open_queue
from support.fake_backend import FakeBackend
from support.launcher import Launcher

ARN = "arn:aws:ecs:eu-central-1:123456789012:task/jobs/9781c248"


def notice(task=ARN, kind="ECS Task State Change", **detail):
    detail = {"taskArn": task, "lastStatus": "STOPPED", **detail}
    return json.dumps({"version": "0", "source": "aws.ecs", "detail-type": kind, "detail": detail})


@pytest.fixture
def queue(monkeypatch):
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("services.launcher.notices._WAIT_SECONDS", 0)
    queue = boto3.resource("sqs").create_queue(QueueName="notices")
    yield queue
    queue.delete()
    server.stop()


def left(queue):
    """Count what is neither deleted nor will be, of what was received and what was not."""
    queue.load()
    return sum(
        int(queue.attributes[f"ApproximateNumberOfMessages{suffix}"])
        for suffix in ("", "NotVisible", "Delayed")
    )


def test_a_task_that_changed_is_looked_at_and_the_notice_deleted(queue):
    looked = []
    notices = TaskNotices(open_queue(), queue.url, looked.append)
    notices.hear()
    assert looked == [], "there is no notice"
    for body in (
        notice(),
        notice(),
        notice(kind="ECS Service Action"),
        "no JSON",
        "[]",
        notice(task=7),
        '{"detail-type": 1}',
    ):
        queue.send_message(MessageBody=body)
    while left(queue):
        notices.hear()
    assert {handle for handles in looked for handle in handles} == {ARN}


@pytest.mark.parametrize("error", [Transient("throttled"), Refused("access denied")])
def test_a_provider_that_does_not_answer_costs_a_notice_and_no_more(queue, error):
    def look(_handles):
        raise error

    queue.send_message(MessageBody=notice())
    TaskNotices(open_queue(), queue.url, look).hear()
    assert left(queue) == 0


def test_a_notice_ends_its_run_and_looks_at_no_other(database, tmp_path, queue):
    backend = FakeBackend()
    launcher = Launcher(database, tmp_path, backend)
    for job_id in ("a", "b"):
        launcher.request(job_id)
    launcher.round()
    for handle in ("a/1", "b/1"):
        backend.exit(handle, 0)
    queue.send_message(MessageBody=notice(task="a/1"))
    TaskNotices(open_queue(), queue.url, launcher.reconciler.look).hear()
    assert launcher.states() == {"a": "ended", "b": "running"}


def test_a_notice_is_not_believed(database, tmp_path, queue):
    launcher = Launcher(database, tmp_path, FakeBackend())
    launcher.request("a")
    launcher.round()
    queue.send_message(MessageBody=notice(task="a/1"))
    queue.send_message(MessageBody=notice(task="x/1"))
    TaskNotices(open_queue(), queue.url, launcher.reconciler.look).hear()
    assert launcher.states() == {"a": "running"}
