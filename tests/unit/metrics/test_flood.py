"""How many callbacks of one job are let in, by a clock that tests move."""

from __future__ import annotations

import pytest

from services.metrics import flood
from services.metrics.flood import FloodGate, TooFast


class World:
    """A gate and its clock."""

    def __init__(self, per_second=2.0, burst=3):
        self.now = 1000.0
        self.gate = FloodGate(per_second, burst, clock=lambda: self.now)

    def let_in(self, count, job="a"):
        """Offer callbacks at once; give how many are let in, and the wait that the first refused one is told."""
        for done in range(count):
            try:
                self.gate.admit(job)
            except TooFast as error:
                return done, error.retry_after
        return count, None


def test_a_burst_is_let_in_and_then_the_rate():
    world = World()
    assert world.let_in(10) == (3, 1)
    world.now += 0.5
    assert world.let_in(10) == (1, 1)
    world.now += 100
    assert world.let_in(10)[0] == 3, "a pause is worth one burst, no more"


def test_whoever_waits_as_long_as_told_is_let_in():
    world = World(per_second=0.25)
    assert world.let_in(4) == (3, 4)
    world.now += 4
    assert world.let_in(1) == (1, None)


def test_a_refusal_costs_nothing():
    world = World()
    world.let_in(1000)
    world.now += 0.5
    assert world.let_in(1) == (1, None)


def test_jobs_do_not_hold_each_other_back():
    world = World()
    world.let_in(10, "a")
    assert world.let_in(3, "b") == (3, None)


def test_no_rate_is_no_limit():
    assert World(per_second=0).let_in(10_000) == (10_000, None)


def test_jobs_that_rest_are_forgotten(monkeypatch):
    monkeypatch.setattr(flood, "_MOST_REMEMBERED", 10)
    world = World()
    for number in range(10):
        world.let_in(1, f"job-{number}")
    world.now += 60
    world.let_in(1, "late")
    assert list(world.gate._free_at) == ["late"]


def test_the_refusal_names_the_setting_and_is_a_429():
    world = World()
    world.let_in(3)
    with pytest.raises(TooFast, match="CALLBACKS_PER_SECOND") as refused:
        world.gate.admit("a")
    assert refused.value.code == 429
    assert dict(refused.value.get_headers())["Retry-After"] == "1"
