"""How much waits: asked once a second, with the rate at which it goes."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from runtime.pending import Backlog


class FakeDatabase:
    """Answers each question with the next number."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)

    @contextmanager
    def read(self):
        yield self

    def scalar(self, _query):
        return self.answers.pop(0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_many_questions_within_a_second_are_one():
    database = FakeDatabase(7, 9)
    clock = Clock()
    backlog = Backlog(database, clock)
    assert [backlog.pending("a") for _ in range(5)] == [7] * 5
    clock.now += 1.0
    assert backlog.pending("a") == 9
    assert database.answers == []


@pytest.mark.parametrize(
    ("first", "second", "below", "seconds"),
    [
        (1000, 900, 100, 16),  # 50 a second, 800 to go
        (1000, 900, 950, 0),
        (1000, 1000, 100, None),
        (900, 1000, 100, None),
    ],
)
def test_the_time_to_wait_is_that_of_the_rate_seen(first, second, below, seconds):
    clock = Clock()
    backlog = Backlog(FakeDatabase(first, second), clock)
    backlog.pending("a")
    assert backlog.seconds_until("a", below) is None, "one look shows no rate"
    clock.now += 2.0
    backlog.pending("a")
    assert backlog.seconds_until("a", below) == seconds
