"""What is taken before Flask, and what is left to it."""

from __future__ import annotations

import io

import pytest

from runtime import log
from runtime.errors import Conflict
from runtime.metrics import Registry
from runtime.telemetry import Telemetry
from runtime.tracing import NoTracer
from services.metrics.endpoint import FAILED, CallbackEndpoint

PATH = "/api/training_jobs/job-a/metrics/"


class Receiver:
    """Notes what it is given."""

    def __init__(self):
        self.received = []
        self.error = None

    def receive(self, job_id, environ, raw):
        assert environ["REQUEST_METHOD"] == "PATCH"
        self.received.append((job_id, raw, log.context()))
        if self.error:
            raise self.error


class World:
    """An endpoint between a server and an app."""

    def __init__(self):
        self.receiver = Receiver()
        self.telemetry = Telemetry("metrics", Registry(), NoTracer())
        self.endpoint = CallbackEndpoint(self.app, self.receiver, self.telemetry, max_body_bytes=10)
        self.passed_on = []
        self.answers = []

    def app(self, environ, _start_response):
        self.passed_on.append(environ)
        return [b"the app's"]

    def ask(self, raw=b"{}", **changes):
        environ = {
            "REQUEST_METHOD": "PATCH",
            "PATH_INFO": PATH,
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.input": io.BytesIO(raw + b"the next request"),
            **changes,
        }
        return b"".join(
            self.endpoint(environ, lambda status, headers: self.answers.append((status, dict(headers))))
        )

    def timed(self):
        return [
            line for line in self.telemetry.registry.text().decode().splitlines() if "seconds_count" in line
        ]


@pytest.fixture
def world():
    return World()


def test_a_callback_is_answered_by_itself(world):
    assert world.ask(b'{"a":1}', HTTP_X_REQUEST_ID="its-own") == b""
    assert world.receiver.received == [("job-a", b'{"a":1}', {"request_id": "its-own"})]
    assert world.answers == [("204 No Content", {"X-Request-ID": "its-own"})]
    assert world.passed_on == []
    (timed,) = world.timed()
    assert 'method="PATCH"' in timed
    assert 'status="204"' in timed
    assert timed.endswith(" 1.0")


@pytest.mark.parametrize(
    "changes",
    [
        {"REQUEST_METHOD": "GET"},
        {"PATH_INFO": PATH.rstrip("/")},
        {"PATH_INFO": f"/x{PATH}"},
        {"PATH_INFO": PATH.replace("job-a", "a.b")},
        {"PATH_INFO": PATH.replace("job-a", "x" * 65)},
        {"PATH_INFO": PATH.replace("job-a", "\xb2")},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "\xb2"},
        {"CONTENT_LENGTH": "11"},
    ],
    ids=str,
)
def test_everything_else_is_the_apps(world, changes):
    assert world.ask(**changes) == b"the app's"
    assert world.receiver.received == []
    assert FAILED not in world.passed_on[0]


def test_an_error_is_the_apps_to_answer_under_the_same_id(world):
    world.receiver.error = Conflict("attempt 1 is over")
    assert world.ask() == b"the app's"
    (environ,) = world.passed_on
    assert environ[FAILED] is world.receiver.error
    assert environ["HTTP_X_REQUEST_ID"] == world.receiver.received[0][2]["request_id"]
    assert world.answers == []
    assert world.timed()[0].endswith(" 0.0"), "the app times what it answers"
