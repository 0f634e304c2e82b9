"""Runs that end while their provider does not know them: they may live, so they are stopped, then and when they turn up again."""

from __future__ import annotations

import pytest

from contracts.events import JobFinished, JobLaunchRequested, JobLost
from runtime.errors import Transient
from services.launcher.backend import Refused
from services.launcher.models import Run
from support.fake_backend import FakeBackend
from support.launcher import Launcher

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


class CutOff(FakeBackend):
    """The machine of what is hidden does not answer; the provider still takes stops, which reach it when it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = []
        self.error = None

    def stop(self, handle, reason):
        self.stops.append(handle)
        if self.error:
            raise self.error
        super().stop(handle, reason)


@pytest.fixture
def launcher(database, tmp_path):
    launcher = Launcher(database, tmp_path, CutOff(), max_running=100, lost_grace_seconds=0.0)
    launcher.request("a")
    launcher.round()
    launcher.backend.hidden = {"a/1"}
    return launcher


def end(launcher, how):
    launcher.cancel("a") if how == "cancelled" else launcher.silent("a")
    launcher.round()
    assert launcher.run("a").state == "ended"


def ends(launcher):
    return [
        "lost" if isinstance(event, JobLost) else event.outcome.value
        for event in launcher.events("a", JobFinished, JobLost)
    ]


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_one_that_is_not_known_is_stopped_before_its_end_is_told(launcher, how):
    end(launcher, how)
    assert (launcher.backend.stops, ends(launcher)) == (["a/1"], [how])


@pytest.mark.parametrize("error", [Transient("no answer"), Refused("who is that?")])
def test_its_end_does_not_hang_on_that_stop(launcher, error):
    launcher.backend.error = error
    end(launcher, "cancelled")
    assert ends(launcher) == ["cancelled"]


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_one_that_turns_up_again_is_stopped_and_nothing_is_told_twice(launcher, how):
    end(launcher, how)
    launcher.backend.hidden = set()
    launcher.round()
    assert launcher.backend.alive == set()
    launcher.round()
    run = launcher.run("a")
    assert (run.state, run.exit_code, run.stray_until) == ("ended", 143, None)
    assert ends(launcher) == [how]


def test_no_other_attempt_begins_beside_one_that_turned_up_again(launcher):
    end(launcher, "lost")
    launcher.backend.hidden, launcher.backend.deaf = set(), True
    launcher.reconciler.look()
    launcher.hear(JobLaunchRequested(job_id="a", attempt=2, spec={}))
    launcher.round()
    assert launcher.backend.alive == {"a/1"}
    launcher.backend.deaf = False
    launcher.round()
    launcher.round()
    launcher.round()
    assert launcher.backend.alive == {"a/2"}


def test_it_is_looked_for_as_long_as_is_said(launcher, database):
    end(launcher, "lost")
    with database.write() as session:
        session.query(Run).update({Run.stray_until: Run.stray_until - 86_400})
    asked = []
    launcher.backend.status = asked.append
    launcher.round()
    assert asked == []


def test_one_that_exited_meanwhile_is_not_asked_for_again(launcher):
    end(launcher, "lost")
    launcher.backend.exit("a/1", 0)
    launcher.backend.hidden = set()
    launcher.round()
    assert launcher.run("a").stray_until is None
    assert ends(launcher) == ["lost"]
