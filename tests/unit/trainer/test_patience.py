from __future__ import annotations

import pytest

from trainer.errors import Cancelled, DataError, StoreError
from trainer.patience import FIRST_PAUSE, LONGEST_PAUSE, Patience


class Clock:
    """Seconds that pass in pauses alone."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


def patience(seconds, told=None):
    clock = Clock()
    tell = (told if told is not None else []).append
    return clock, Patience(seconds, tell, clock=lambda: clock.now, pause=clock.pause)


def failing(*errors):
    """An action that raises these and then gives "done"."""
    left = list(errors)

    def action():
        if left:
            raise left.pop(0)
        return "done"

    return action


def test_what_the_store_did_not_answer_is_tried_again_with_pauses_that_grow():
    told = []
    clock, patient = patience(900, told)
    assert patient.try_again(failing(*[StoreError("s3://b/k failed: no route")] * 12)) == "done"
    assert len(clock.pauses) == 12
    for number, seconds in enumerate(clock.pauses):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= seconds <= longest
    assert told[0].startswith("the object store does not answer; trying again until ")
    assert told[0].endswith(" UTC: s3://b/k failed: no route")
    assert told[-1] == ""


def test_patience_counts_from_the_first_failure_and_ends():
    clock, patient = patience(100)
    clock.now = 5000
    with pytest.raises(StoreError):
        patient.try_again(failing(*[StoreError("away")] * 1000))
    assert clock.now == 5100


@pytest.mark.parametrize("error", [DataError("no such object"), Cancelled(), ValueError("a defect")])
def test_nothing_else_is_tried_again(error):
    told = []
    clock, patient = patience(900, told)
    with pytest.raises(type(error)):
        patient.try_again(failing(error))
    assert (clock.pauses, told) == ([], [])


def test_a_stop_ends_the_wait():
    def stopped(_seconds):
        raise Cancelled

    with pytest.raises(Cancelled):
        Patience(900, pause=stopped).try_again(failing(StoreError("away")))


def test_none_waits_for_nothing():
    clock, patient = patience(0)
    with pytest.raises(StoreError):
        patient.try_again(failing(StoreError("away")))
    assert clock.pauses == []
