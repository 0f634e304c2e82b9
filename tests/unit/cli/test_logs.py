"""`triptych logs`: the end of a job's log, and what comes behind it, each line once."""

from __future__ import annotations

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from client import Client


def lines(first, last):
    return [f"line {number}" for number in range(first, last + 1)]


@pytest.fixture
def logs(monkeypatch):
    """Run it against a job whose log has more lines at each look; gives what it prints."""

    def run(looks, *options):
        left = [list(look) for look in looks]

        def serve(request):
            if not request.url.path.endswith("/logs/"):
                return httpx.Response(200, json={"state": "running" if len(left) > 1 else "succeeded"})
            log = left.pop(0) if len(left) > 1 else left[0]
            found = log[-int(request.url.params["tail"]) :]
            return httpx.Response(200, json={"lines": found, "source": "file", "truncated": False})

        monkeypatch.setattr(
            "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(serve))
        )
        monkeypatch.setattr("cli.job_commands.time.sleep", lambda _seconds: None)
        done = CliRunner().invoke(app, ["logs", "j", *options])
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    return run


def test_without_following_it_is_the_end(logs):
    assert logs([lines(1, 500)], "--tail", "3") == lines(498, 500)


@pytest.mark.parametrize(
    ("looks", "shown"),
    [
        ([lines(1, 500), lines(1, 500), lines(1, 502)], lines(498, 502)),
        ([lines(1, 2), lines(1, 4)], lines(1, 4)),
        ([[], lines(1, 4)], lines(1, 4)),
        ([lines(1, 500), lines(300, 600)], lines(498, 600)),
    ],
    ids=["long", "short", "none yet", "its beginning is gone"],
)
def test_followed_it_goes_on_from_the_end_and_says_nothing_twice(logs, looks, shown):
    assert logs(looks, "--follow", "--tail", "3") == shown
