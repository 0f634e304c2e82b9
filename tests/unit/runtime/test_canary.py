"""A worker is well as long as messages come through, or cannot: it is busy, or Redis is away."""

from __future__ import annotations

import pytest

from runtime.canary import Canary


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("runtime.canary.time.monotonic", lambda: self.now)


class Leases:
    """Stands for what a worker's threads do."""

    def __init__(self, working=0, hung=()):
        self._working, self._hung = working, list(hung)

    def at_work(self):
        return self._working

    def hung(self):
        return self._hung


def away():
    raise ConnectionError("refused")


def canary(leases=None, waiting=lambda: 0, send=lambda: None):
    return Canary(leases or Leases(), 2, waiting, send, seconds=60)


def days_later(clock, one, *, takes):
    for _ in range(100):
        clock.now += 30
        one.beat()
        if takes:
            one.taken()


@pytest.mark.parametrize(
    ("case", "well"),
    [
        ({"takes": True}, True),
        ({"takes": False}, False),
        ({"takes": False, "working": 1}, False),
        ({"takes": False, "working": 2}, True),
        ({"takes": False, "waiting": away}, True),
        ({"takes": False, "send": away}, True),
        ({"takes": False, "waiting": lambda: 5}, False),
    ],
    ids=["takes", "takes none", "has a thread free", "busy", "redis away", "redis refuses", "leaves them"],
)
def test_what_excuses_a_worker_that_takes_nothing(monkeypatch, case, well):
    clock = Clock(monkeypatch)
    leases = Leases(case.get("working", 0))
    one = canary(leases, case.get("waiting", lambda: 0), case.get("send", lambda: None))
    days_later(clock, one, takes=case["takes"])
    if well:
        one.check()
    else:
        with pytest.raises(RuntimeError, match="not even a canary"):
            one.check()


def test_without_beats_it_is_not_well(monkeypatch):
    clock = Clock(monkeypatch)
    one = canary()
    one.check()
    clock.now += 61
    with pytest.raises(RuntimeError, match="for 61 s"):
        one.check()


def test_canaries_are_sent_only_where_nothing_else_would_show_it():
    sent = []
    canary(waiting=lambda: 0, send=lambda: sent.append("empty")).beat()
    canary(waiting=lambda: 1, send=lambda: sent.append("not empty")).beat()
    canary(Leases(working=2), send=lambda: sent.append("busy")).beat()
    assert sent == ["empty"]


def test_a_handler_that_hangs_needs_a_restart():
    one = canary(Leases(working=1, hung=["dataset.uploaded.v1"]))
    with pytest.raises(RuntimeError, match=r"dataset\.uploaded\.v1"):
        one.check()
