"""Group commit: alone nobody waits, together one thread does the work of all, and each learns what became of its own."""

from __future__ import annotations

import threading

import pytest

from services.metrics.together import Together
from support.wait import until


class Work:
    """Notes what it is given; while `held` is clear it does not return."""

    def __init__(self):
        self.calls = []
        self.threads = []
        self.held = threading.Event()
        self.held.set()

    def __call__(self, items):
        self.calls.append(list(items))
        self.threads.append(threading.current_thread())
        assert self.held.wait(30)
        return [ValueError(f"{item} is odd") if item % 2 else None for item in items]


def begin(together, item, outcomes):
    def run():
        try:
            together.do(item)
        except ValueError as error:
            outcomes[item] = str(error)
        else:
            outcomes[item] = "done"

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_alone_it_is_done_by_the_thread_itself():
    work = Work()
    together = Together(work, 8)
    together.do(2)
    with pytest.raises(ValueError, match="3 is odd"):
        together.do(3)
    assert work.calls == [[2], [3]]
    assert set(work.threads) == {threading.current_thread()}


def test_what_comes_meanwhile_is_done_in_one_call_and_in_order_and_no_more_than_may():
    work = Work()
    work.held.clear()
    together, outcomes = Together(work, 3), {}
    threads = [begin(together, 0, outcomes)]
    until(lambda: work.calls, "the first call")
    for item in range(1, 6):
        threads.append(begin(together, item, outcomes))
        until(lambda: len(together._waiting) == item, "it to wait")  # noqa: B023
    work.held.set()
    for thread in threads:
        thread.join(30)
    assert work.calls == [[0], [1, 2, 3], [4, 5]]
    assert outcomes == {item: f"{item} is odd" if item % 2 else "done" for item in range(6)}


def test_an_error_of_the_whole_call_is_everybodys_and_the_next_call_goes_on():
    def work(items):
        if 1 in items:
            raise ValueError("away")
        return [None] * len(items)

    together = Together(work, 8)
    with pytest.raises(ValueError, match="away"):
        together.do(1)
    together.do(2)
