"""`triptych whoami`, `keys`, `workspaces`: what they ask the platform, and what they show."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from client import Client

KEY = {
    "id": "k1",
    "name": "laptop",
    "hint": "Ab1_",
    "scopes": ["read", "write"],
    "created_at": "2026-11-26T04:00:00+00:00",
    "expires_at": None,
    "revoked_at": None,
    "used_at": "2026-11-26T05:00:00+00:00",
}
WORKSPACE = {"id": "w1", "name": "biology", "created_at": "2026-11-26T04:00:00+00:00"}
WHO = {
    "name": "laptop",
    "workspace": "w1",
    "workspace_name": "biology",
    "scopes": ["read", "write"],
    "signed_in": False,
}


@pytest.fixture
def call(monkeypatch):
    asked = []

    def run(answer, *arguments):
        def serve(request):
            body = json.loads(request.content) if request.content else None
            asked.append((f"{request.method} {request.url.raw_path.decode()}", body))
            return httpx.Response(200, json=answer)

        monkeypatch.setattr(
            "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(serve))
        )
        result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"}, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout, asked[-1]

    return run


def test_whoami_says_who_where_and_what_may_be_done(call):
    shown, asked = call(WHO, "whoami")
    assert asked == ("GET /api/session/", None)
    assert shown == "laptop, in the workspace biology\nmay: read, write\n"


def test_the_list_shows_everything_but_the_keys(call):
    shown, asked = call({"items": [KEY]}, "keys", "list", "--workspace", "w1")
    assert asked == ("GET /api/keys/?workspace=w1", None)
    for word in ("k1", "laptop", "Ab1_", "read, write", "2026-11-26 05:00", "never"):
        assert word in shown


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        ((), {"name": "laptop", "scopes": ["read", "write"]}),
        (("--scope", "read"), {"name": "laptop", "scopes": ["read"]}),
        (
            ("--scope", "read", "--scope", "admin", "--workspace", "w1"),
            {"name": "laptop", "scopes": ["read", "admin"], "workspace": "w1"},
        ),
    ],
)
def test_a_new_key_stands_alone_on_standard_output(call, options, wish):
    shown, asked = call({**KEY, "key": "trp_secret"}, "keys", "create", "laptop", *options)
    assert (shown, asked) == ("trp_secret\n", ("POST /api/keys/", wish))


def test_a_key_may_end_after_some_days(call):
    _, (_, wish) = call({**KEY, "key": "trp_secret"}, "keys", "create", "laptop", "--days", "30")
    left = datetime.fromisoformat(wish["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)


@pytest.mark.parametrize(
    ("options", "path"),
    [((), "/api/keys/k1/"), (("--workspace", "w/1"), "/api/keys/k1/?workspace=w%2F1")],
)
def test_a_key_is_revoked(call, options, path):
    assert call(KEY, "keys", "revoke", "k1", *options) == ("k1  revoked\n", (f"DELETE {path}", None))


def test_workspaces_are_listed_and_made(call):
    shown, asked = call({"items": [WORKSPACE]}, "workspaces", "list")
    assert asked == ("GET /api/workspaces/", None)
    assert "biology" in shown
    shown, asked = call(WORKSPACE, "workspaces", "create", "biology")
    assert (shown, asked) == ("w1\n", ("POST /api/workspaces/", {"name": "biology"}))


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        (WHO, ["whoami"]),
        ({"items": [KEY]}, ["keys", "list"]),
        ({**KEY, "key": "trp_secret"}, ["keys", "create", "laptop"]),
        ({"items": [WORKSPACE]}, ["workspaces", "list"]),
        (WORKSPACE, ["workspaces", "create", "biology"]),
    ],
)
def test_everything_comes_as_json_too(call, answer, command):
    shown, _ = call(answer, "--json", *command)
    assert json.loads(shown) == answer


def test_a_revoked_keys_json_names_it(call):
    shown, _ = call(KEY, "--json", "keys", "revoke", "k1")
    assert json.loads(shown) == {"id": "k1"}
