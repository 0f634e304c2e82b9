"""Run folders: what lives is left alone, what has ended goes in time."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from runtime.db import now
from services.launcher.leftovers import Leftovers
from services.launcher.models import ENDED, Run
from support.launcher import FOREVER
from support.wait import until


def folder(root, job, attempt=1, *, age_days=0.0, work=True):
    """Make what a run leaves whose supervisor was killed."""
    made = root / job / str(attempt)
    (made / ("work" if work else "")).mkdir(parents=True)
    (made / "run.json").write_text(json.dumps({"pid": 1, "started_at": 0}))
    (made / "log.txt").write_text("a line\n")
    then = now().timestamp() - age_days * 86_400
    os.utime(made, (then, then))
    return made


@pytest.fixture
def runs(launcher):
    return launcher.folder / "runs"


@pytest.fixture
def sweep(launcher, runs):
    return Leftovers(launcher.db, launcher.backend, runs, keep_days=7).sweep


def record(launcher, job, attempt=1, state=ENDED, days_ago=0.0):
    with launcher.db.write() as session:
        ended_at = now() - timedelta(days=days_ago) if state == ENDED else None
        session.add(Run(job_id=job, attempt=attempt, state=state, launcher="local", ended_at=ended_at))


@pytest.mark.parametrize(
    ("state", "days_ago", "left"),
    [
        ("waiting", 0, {"run.json", "log.txt", "work"}),
        ("launching", 0, {"run.json", "log.txt", "work"}),
        ("running", 0, {"run.json", "log.txt", "work"}),
        (ENDED, 0.01, {"run.json", "log.txt", "work"}),
        (ENDED, 1, {"run.json", "log.txt"}),
        (ENDED, 8, None),
    ],
)
def test_what_is_left_of_a_run(launcher, runs, sweep, state, days_ago, left):
    made = folder(runs, "job", age_days=30)
    record(launcher, "job", state=state, days_ago=days_ago)
    sweep()
    assert ({path.name for path in made.iterdir()} if made.exists() else None) == left
    assert (runs / "job").exists() == (left is not None)


def test_an_earlier_attempt_goes_and_the_present_one_stays(launcher, runs, sweep):
    old, new = folder(runs, "job", 1), folder(runs, "job", 2)
    record(launcher, "job", 1, days_ago=8)
    record(launcher, "job", 2, "running")
    assert sweep() == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert sweep() == 0


def test_a_run_of_another_database_goes_by_its_age(runs, sweep):
    old, young = folder(runs, "old", age_days=8, work=False), folder(runs, "young", age_days=6, work=False)
    assert sweep() == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_a_process_that_lives_is_left_alone_whatever_the_database_says(launcher, runs, sweep):
    launcher.request("job", FOREVER)
    launcher.round()
    until((runs / "job" / "1" / "child.json").exists, "the run to be up")
    with launcher.db.write() as session:
        session.query(Run).update({"state": ENDED, "ended_at": now() - timedelta(days=100)})
    assert sweep() == 0
    assert (runs / "job" / "1" / "run.json").exists()
    launcher.backend.stop("job/1", "end of test")
    until((runs / "job" / "1" / "exit.json").exists, "the run to end")
    until(lambda: sweep() == 1, "the lock to be free")
    assert not (runs / "job").exists()


def test_zero_days_keep_runs_for_ever(launcher, runs):
    made = folder(runs, "job", age_days=1000)
    record(launcher, "job", days_ago=1000)
    Leftovers(launcher.db, launcher.backend, runs, keep_days=0).sweep()
    assert (made / "log.txt").exists()
    assert not (made / "work").exists()
