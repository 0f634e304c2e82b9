"""States between attempts: kept, stored now and then, and taken up by whichever attempt finds one that fits."""

from __future__ import annotations

import math

import pytest
import torch

from support.wait import until
from trainer.checkpoint import NAME, Checkpoints


@pytest.fixture
def attempt(tmp_path):
    """Give an attempt's checkpoints by its number; it looks for those of the attempts before it."""

    def attempt(number: int, **seconds: float) -> Checkpoints:
        work = tmp_path / "work" / str(number)
        work.mkdir(parents=True)
        earlier = [f"file://{tmp_path}/{before}/{NAME}" for before in range(number - 1, 0, -1)]
        given = {"save_seconds": 0.0, "store_seconds": math.inf, **seconds}
        return Checkpoints(work, earlier, f"file://{tmp_path}/{number}", **given)

    return attempt


def test_what_was_stored_is_taken_up_by_the_next_attempt(attempt):
    first = attempt(1)
    assert first.load("f") is None
    assert not first.store(), "there is nothing yet"
    first.save({"epoch": 3}, "f")
    assert first.load("f") == {"epoch": 3}
    assert first.store()
    assert attempt(2).load("f") == {"epoch": 3}


def test_an_attempt_that_stored_nothing_is_passed_over(attempt):
    first = attempt(1)
    first.save({"epoch": 3}, "f")
    first.store()
    second = attempt(2)
    assert attempt(3).load("f") == {"epoch": 3}
    assert second.load("f") == {"epoch": 3}
    assert second.store(), "what it took up is its own"


@pytest.mark.parametrize("spoil", ["garbage", "another training"])
def test_one_that_does_not_fit_is_passed_over_too(attempt, tmp_path, spoil):
    first = attempt(1)
    first.save({"epoch": 3}, "f")
    first.store()
    (tmp_path / "2").mkdir()
    if spoil == "garbage":
        (tmp_path / "2" / NAME).write_bytes(b"half a file")
    else:
        torch.save({"epoch": 9, "fingerprint": "g"}, tmp_path / "2" / NAME)
    assert attempt(3).load("f") == {"epoch": 3}


def test_states_are_stored_while_training_goes_on(attempt, tmp_path):
    running = attempt(1, store_seconds=0.0)
    stored = tmp_path / "1" / NAME
    running.save({"epoch": 1}, "f")
    until(stored.is_file, "the first state to be stored")
    until(lambda: not running._storing.locked(), "its thread to be done")
    running.save({"epoch": 2}, "f")
    until(lambda: torch.load(stored)["epoch"] == 2, "the second one")


def test_training_does_not_die_of_a_store_that_is_away(attempt, tmp_path, caplog):
    running = attempt(1, store_seconds=0.0)
    (tmp_path / "1").write_text("in the way of the folder")
    running.save({"epoch": 1}, "f")
    until(lambda: "could not be stored" in caplog.text, "the warning")
    assert running.load("f") == {"epoch": 1}
