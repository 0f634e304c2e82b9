"""The time by which runs are judged, whatever happens to the system's clock."""

from __future__ import annotations

import pytest

from services.launcher.clock import Clock

DAY = 86_400.0


class Times:
    """Both clocks, as a test sets them."""

    def __init__(self):
        self.wall, self.steady = 1_000_000.0, 50.0
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def pass_time(self, seconds, jump=0.0):
        self.wall += seconds + jump
        self.steady += seconds


@pytest.fixture
def times():
    return Times()


def test_without_a_jump_it_is_what_the_system_shows(times):
    times.clock.of(1)
    for _ in range(100):
        times.pass_time(10, jump=0.5)  # NTP makes the clock run a little faster
        assert times.clock.of(1) == times.wall == times.clock.now()


def test_a_jump_ahead_makes_no_watched_run_older(times):
    before = times.clock.of(1)
    times.pass_time(10, jump=2 * DAY)
    assert times.clock.of(1) == before + 10
    assert times.clock.of(2) == times.wall, "one that is first seen after it takes the clock as it is"
    times.pass_time(10)
    assert times.clock.of(1) == before + 20


def test_a_jump_that_is_taken_back_leaves_nothing(times):
    times.clock.of(1)
    times.pass_time(10, jump=2 * DAY)
    times.clock.of(1)
    times.pass_time(10, jump=-2 * DAY)
    assert times.clock.of(1) == times.wall


def test_where_the_clock_is_set_back_it_is_right(times):
    times.clock.of(1)
    times.pass_time(10, jump=-2 * DAY)
    assert times.clock.of(1) == times.wall


def test_what_nobody_asks_about_any_more_is_forgotten(times):
    times.clock.of(1)
    times.pass_time(1800)
    times.clock.of(2)
    times.pass_time(1900)
    times.clock.tidy()
    assert list(times.clock._watched) == [2]
