"""`triptych dead-letters`: what it asks the platform, and what it shows."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from client import Client

LETTER = {
    "id": 7,
    "state": "dead",
    "queue": "ingest.staging",
    "event": "dataset.deleted.v1",
    "event_id": "e",
    "subject": "d1",
    "attempts": 3,
    "last_error": "EndpointConnectionError: no store",
    "emitted_at": "2026-11-26T04:00:00+00:00",
    "ended_at": "2026-11-26T04:05:00+00:00",
    "instead": None,
}
DETAIL = {**LETTER, "data": {"dataset_id": "d1"}}
ENDED = {**DETAIL, "instead": "The job has failed because of it: run it again."}


@pytest.fixture
def call(monkeypatch):
    asked = []

    def run(answer, *arguments):
        def serve(request):
            asked.append(f"{request.method} {request.url.raw_path.decode()}")
            return httpx.Response(200, json=answer)

        monkeypatch.setattr(
            "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(serve))
        )
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout, asked[-1]

    return run


def test_the_list_says_what_died_when_and_why(call):
    shown, asked = call({"items": [LETTER]}, "dead-letters", "list", "--queue", "ingest.staging")
    assert asked == "GET /api/deliveries/?state=dead&queue=ingest.staging&page=1"
    for word in ("7", "2026-11-26 04:05", "dataset.deleted.v1", "d1", "3", "yes", "no store"):
        assert word in shown


@pytest.mark.parametrize(
    ("letter", "advice"),
    [(DETAIL, "Try it again with: triptych dead-letters requeue 7"), (ENDED, ENDED["instead"])],
    ids=["may be requeued", "ended what it was about"],
)
def test_one_is_shown_with_what_can_be_done(call, letter, advice):
    shown, asked = call(letter, "dead-letters", "show", "7")
    assert asked == "GET /api/deliveries/7/"
    assert advice in shown
    assert "dataset_id" in shown


def test_a_requeue_says_the_new_state(call):
    shown, asked = call({**DETAIL, "state": "pending"}, "dead-letters", "requeue", "7")
    assert (shown, asked) == ("7  pending\n", "POST /api/deliveries/7/requeue/")


def test_everything_comes_as_json_too(call):
    for command in (["list"], ["show", "7"], ["requeue", "7"]):
        shown, _ = call({**DETAIL, "items": []}, "--json", "dead-letters", *command)
        assert json.loads(shown)["id"] == 7
