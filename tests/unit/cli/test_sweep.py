"""`triptych sweep`: which jobs it makes, when it starts them, and what it shows."""

from __future__ import annotations

import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.errors import CommandFailed
from cli.main import app
from client import Client

SCORES = {"0.1": 0.5, "0.01": 0.9, "0.001": 0.7}


class Jobs:
    """A platform that makes jobs of any settings; accuracy goes by the learning rate."""

    def __init__(self):
        self.made, self.started, self.refuse, self.fail = [], [], None, None

    def __call__(self, request):
        *_, last = path = request.url.path.strip("/").split("/")
        if last == "start":
            if self.refuse == "start" and self.started:
                return httpx.Response(429, json={"detail": "too many jobs"})
            self.started.append(path[-2])
            return httpx.Response(202, json={})
        if request.method == "POST":
            body = json.loads(request.content)
            if body.get("learning_rate") == self.refuse:
                return httpx.Response(422, json={"detail": "learning_rate: must be above 0"})
            self.made.append(body)
            return httpx.Response(
                201, json={"id": f"j{len(self.made)}", "findings": [], "state": "created", "metrics": {}}
            )
        body = self.made[int(last[1:]) - 1]
        rate = body["learning_rate"]
        state = "failed" if rate == self.fail else "succeeded"
        score = SCORES[str(rate)]
        metrics = {"macro_f1": score, "log_loss": score} if state == "succeeded" else {}
        return httpx.Response(
            200,
            json={
                "id": last,
                "name": body["name"],
                "state": state,
                "reason": "" if metrics else "broke",
                "metrics": metrics,
            },
        )


@pytest.fixture
def jobs():
    return Jobs()


@pytest.fixture
def sweep(jobs, monkeypatch):
    monkeypatch.setattr(
        "cli.session.Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(jobs))
    )

    def call(*arguments):
        return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})

    return call


RATES = ("--vary", "learning_rate=0.1,0.01,0.001")


def test_every_combination_becomes_a_job_and_the_best_comes_first(sweep, jobs):
    done = sweep(
        "--json",
        "sweep",
        "d1",
        "--target",
        "breed",
        *RATES,
        "--vary",
        "preset=fast,best",
        "--set",
        "epochs=3",
    )
    assert done.exit_code == 0, done.output
    assert [(job["learning_rate"], job["params"]) for job in jobs.made] == [
        (rate, {"preset": preset}) for rate in (0.1, 0.01, 0.001) for preset in ("fast", "best")
    ]
    assert {job["epochs"] for job in jobs.made} == {3}
    assert jobs.made[0]["name"] == "sweep: learning_rate=0.1, preset=fast"
    assert jobs.started == ["j1", "j2", "j3", "j4", "j5", "j6"]
    items = json.loads(done.stdout)["items"]
    assert [item["varied"]["learning_rate"] for item in items] == [0.01, 0.01, 0.001, 0.001, 0.1, 0.1]


def test_of_a_loss_the_least_is_the_best(sweep):
    done = sweep("--json", "sweep", "d1", *RATES, "--by", "log_loss")
    assert [item["varied"]["learning_rate"] for item in json.loads(done.stdout)["items"]] == [
        0.1,
        0.001,
        0.01,
    ]


def test_a_person_gets_a_table(sweep):
    lines = sweep("sweep", "d1", *RATES).stdout.splitlines()
    assert lines[0].split() == ["learning_rate", "accuracy", "macro_f1", "log_loss", "state", "job"]
    assert lines[1].split() == ["0.01", "0.9000", "0.9000", "succeeded", "j2"]


def test_without_waiting_it_says_which_jobs_there_are(sweep):
    done = sweep("sweep", "d1", *RATES, "--no-wait")
    assert done.exit_code == 0
    assert "j3" in done.stdout


def test_a_combination_that_is_refused_stops_all_before_any_is_started(sweep, jobs):
    jobs.refuse = 0.001
    done = sweep("sweep", "d1", *RATES)
    assert isinstance(done.exception, CommandFailed)
    assert "Nothing was started. sweep: learning_rate=0.001: learning_rate: must be above 0" in str(
        done.exception
    )
    assert jobs.started == []


def test_where_there_is_room_for_a_part_it_says_how_many_run(sweep, jobs):
    jobs.refuse = "start"
    assert "1 of 3 jobs were started. Then: too many jobs" in str(sweep("sweep", "d1", *RATES).exception)


def test_one_that_fails_comes_last_and_is_counted(sweep, jobs):
    jobs.fail = 0.01
    done = sweep("sweep", "d1", *RATES)
    assert str(done.exception) == "1 of 3 jobs did not succeed."
    assert "learning_rate=0.01  failed: broke" in done.stderr
    assert done.stdout.splitlines()[-1].split() == ["0.01", "failed", "j2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vary", "seed"), "--vary 'seed' is not of the form key=value."),
        (("--vary", "seed=1,2", "--vary", "seed=3"), "--vary names seed twice"),
        (("--vary", "seed=1,2,3", "--most", "2"), "These are 3 combinations, and --most is 2."),
        (("--vary", "seed=1", "--set", "x"), "--set 'x' is not of the form key=value."),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(sweep, jobs, arguments, message):
    assert message in str(sweep("sweep", "d1", *arguments).exception)
    assert jobs.made == []
