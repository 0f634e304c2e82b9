"""`triptych predict`: what is wrong with a command is told before anything is uploaded."""

from __future__ import annotations

import httpx
import pytest
from typer.testing import CliRunner

from cli.errors import CommandFailed
from cli.main import app
from client import Client


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give either a CSV or --dataset ID."),
        (("t.csv", "--dataset", "d"), "Give either a CSV or --dataset ID."),
        (("--dataset", "d", "--out", "absent/p.csv"), "--out absent/p.csv is not a file in a folder"),
        (("--dataset", "d", "--out", "."), "--out . is not a file in a folder"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_asked(monkeypatch, tmp_path, arguments, words):
    asked = []

    def serve(request):
        asked.append(request.url.path)
        return httpx.Response(200, json={"id": "p", "state": "succeeded", "notes": [], "size": 0, "rows": 0})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(serve))
    )
    ended = CliRunner().invoke(app, ["predict", "j", *arguments]).exception
    assert isinstance(ended, CommandFailed)
    assert (words in str(ended), asked) == (True, [])
