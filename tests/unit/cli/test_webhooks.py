"""`triptych webhooks …`: what is asked of the API, and what is shown."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from client import Client

WEBHOOK = {"id": "w1", "name": "ops", "url": "https://a.example/", "events": ["job.failed"], "enabled": True}
MESSAGE = {
    "message_id": "msg_1", "event": "job.failed", "state": "dead", "attempts": 9, "created_at": "2026-03-01T08:00:00+00:00",
    "last_error": "given up after 9 tries: the receiver answered 500",
}  # fmt: skip
ANSWERS = {
    ("POST", "/api/webhooks/"): WEBHOOK | {"secret": "whsec_x"},
    ("GET", "/api/webhooks/"): {"items": [WEBHOOK]},
    ("POST", "/api/webhooks/w1/test/"): MESSAGE | {"state": "pending"},
    ("GET", "/api/webhooks/w1/messages/"): {"items": [MESSAGE]},
}


@pytest.fixture
def asked(monkeypatch):
    asked = []

    def answer(request):
        body = json.loads(request.content) if request.content else None
        asked.append(
            (request.method, str(request.url.copy_with(query=None).path), body, dict(request.url.params))
        )
        found = ANSWERS.get((request.method, request.url.path))
        return httpx.Response(200, json=found) if found else httpx.Response(204)

    monkeypatch.setattr(
        "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(answer))
    )
    return asked


@pytest.mark.parametrize(
    ("words", "call", "shown"),
    [
        (
            ["create", "https://a.example/", "--event", "job.failed"],
            (
                "POST",
                "/api/webhooks/",
                {"url": "https://a.example/", "name": "", "events": ["job.failed"]},
                {},
            ),
            "whsec_x",
        ),
        (["list"], ("GET", "/api/webhooks/", None, {}), "job.failed"),
        (["test", "w1"], ("POST", "/api/webhooks/w1/test/", None, {}), "pending"),
        (
            ["messages", "w1", "--state", "dead"],
            ("GET", "/api/webhooks/w1/messages/", None, {"state": "dead"}),
            "msg_1",
        ),
        (["delete", "w1"], ("DELETE", "/api/webhooks/w1/", None, {}), ""),
    ],
)
def test_each_command_makes_one_call(asked, words, call, shown):
    result = CliRunner().invoke(app, ["webhooks", *words])
    assert result.exit_code == 0, result.output
    assert asked == [call]
    assert shown in result.stdout
