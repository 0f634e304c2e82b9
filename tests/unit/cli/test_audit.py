"""`triptych audit` lists the log, page after page."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from client import Client

ENTRY = {
    "id": 1, "at": "2026-03-01T08:00:00+00:00", "who": "ann", "request_id": "r-1", "method": "POST",
    "action": "training_jobs.start", "object": "training_jobs/j", "outcome": "done",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    asked = []

    def answer(request):
        asked.append(dict(request.url.params))
        first = "cursor" not in request.url.params
        return httpx.Response(200, json={"items": [ENTRY], "next_cursor": "c" if first else None})

    monkeypatch.setattr(
        "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(answer))
    )
    return asked


def test_it_goes_on_to_the_next_page(asked):
    result = CliRunner().invoke(app, ["--json", "audit", "--who", "ann", "--about", "training_jobs/j"])
    assert len(json.loads(result.stdout)) == 2
    assert asked == [
        {"who": "ann", "object": "training_jobs/j", "page_size": "50"},
        {"who": "ann", "object": "training_jobs/j", "page_size": "50", "cursor": "c"},
    ]


def test_it_shows_a_line_for_each(asked):
    result = CliRunner().invoke(app, ["audit", "--limit", "1"])
    assert "training_jobs.start" in result.stdout
    assert "ann" in result.stdout
    assert len(asked) == 1
