"""What is done about a run, from its row, its provider's word and the clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.callback import Outcome
from contracts.events import EndCause
from services.launcher.backend import RunState, RunStatus
from services.launcher.models import Run
from services.launcher.verdicts import Limits, is_over, ran_for, why_stop

CLOCK = 1_000_000.0
LIMITS = Limits(max_running=1, give_up_seconds=600, lost_grace_seconds=120, report_grace_seconds=5)


def run(**values) -> Run:
    """A run that began 1000 s ago, was launched 100 s before, and is heard."""
    began = {
        "launched_at": at(-1100),
        "started_at": CLOCK - 1000,
        "max_seconds": 3600,
        "max_idle_seconds": 900,
    }
    plain = {"ran_seconds": 0.0, "silent_until": 0.0, "everyone_silent": False, "reported": False}
    return Run(**{"job_id": "a", "attempt": 1, "cancel_requested": False, **plain, **began, **values})


def at(offset: float) -> datetime:
    return datetime.fromtimestamp(CLOCK + offset, UTC)


def silent(seconds: float, **values):
    return {"silent_since": CLOCK - seconds, "silent_until": CLOCK + 60, **values}


RUNNING, PENDING = RunStatus(RunState.RUNNING), RunStatus(RunState.PENDING, detail="no node fits")
NOT_BEGUN = {"started_at": None, "max_seconds": 10}


@pytest.mark.parametrize(
    ("values", "status", "outcome", "cause", "reason"),
    [
        ({}, RUNNING, None, None, ""),
        ({"cancel_requested": True}, RUNNING, Outcome.CANCELLED, None, "cancelled on request"),
        ({"reported_at": CLOCK - 61}, RUNNING, Outcome.FAILED, None, "lived on after its final report"),
        # the run time counts from where the trainer began, and over all attempts
        ({"max_seconds": 999}, RUNNING, Outcome.TIMED_OUT, None, "stopped after 999 s, the longest"),
        ({"max_seconds": 1001}, RUNNING, None, None, ""),
        ({"ran_seconds": 2601}, RUNNING, Outcome.TIMED_OUT, None, "stopped after 3600 s over all its attempts"),
        (NOT_BEGUN, RunStatus(RunState.RUNNING, started_at=at(-9)), None, None, ""),
        (NOT_BEGUN, RunStatus(RunState.RUNNING, started_at=at(-11)), Outcome.TIMED_OUT, None, "stopped after 10 s"),
        # nor does it while the provider has not begun, which has a limit of its own
        ({**NOT_BEGUN, "launched_at": at(-599)}, PENDING, None, None, ""),
        (NOT_BEGUN, PENDING, Outcome.FAILED, EndCause.CAPACITY, "did not begin to run within 1100 s: no node fits"),
        # silence
        (silent(899), RUNNING, None, None, ""),
        (silent(901), RUNNING, Outcome.FAILED, EndCause.HUNG, "hung: the provider says that it runs"),
        (silent(5000, started_at=CLOCK - 800), RUNNING, None, None, ""),
        (silent(901, everyone_silent=True), RUNNING, None, None, ""),
        (silent(901, max_idle_seconds=0), RUNNING, None, None, ""),
        (silent(901, silent_until=CLOCK - 1), RUNNING, None, None, ""),
        (silent(901, cancel_requested=True), RUNNING, Outcome.CANCELLED, None, "cancelled on request"),
    ],
)  # fmt: skip
def test_what_is_alive_is_stopped_where_it_must_end(values, status, outcome, cause, reason):
    stop = why_stop(run(**values), status, LIMITS, CLOCK)
    assert (stop and stop.outcome, stop and stop.cause) == (outcome, cause)
    assert reason in (stop.reason if stop else "")


EXITED, UNKNOWN = RunStatus(RunState.EXITED, 0), RunStatus(RunState.UNKNOWN)


@pytest.mark.parametrize(
    ("gone_for", "values", "status", "over"),
    [
        (4, {}, EXITED, False),
        (5, {}, EXITED, True),
        (0, {"reported": True}, EXITED, True),
        (119, silent(600), UNKNOWN, False),
        (121, silent(600), UNKNOWN, True),
        (121, silent(600, everyone_silent=True), UNKNOWN, True),
        (100_000, {}, UNKNOWN, False),
        (100_000, silent(600, silent_until=CLOCK - 1), UNKNOWN, False),
        (121, {"cancel_requested": True}, UNKNOWN, True),
        (119, {"reported": True}, UNKNOWN, False),
        (121, {"reported": True}, UNKNOWN, True),
    ],
)
def test_what_is_gone_is_over_when_its_report_is_late_or_nothing_is_heard_of_it_either(
    gone_for, values, status, over
):
    assert is_over(run(gone_at=CLOCK - gone_for, **values), status, LIMITS, CLOCK, CLOCK) is over


def test_what_was_said_of_a_silence_before_the_clock_jumped_is_old():
    unknown = run(gone_at=CLOCK - 121, **silent(600))
    assert is_over(unknown, UNKNOWN, LIMITS, CLOCK, CLOCK + 59)
    assert not is_over(unknown, UNKNOWN, LIMITS, CLOCK, CLOCK + 61)


def test_how_long_it_ran_ends_where_it_was_seen_to_be_gone():
    assert ran_for(run(), CLOCK) == 1000
    assert ran_for(run(gone_at=CLOCK - 300), CLOCK) == 700
    assert ran_for(run(started_at=None), CLOCK) == 0
