"""Thinning: what is kept of many points, and where it can be looked for."""

from __future__ import annotations

import json
import random

import pytest

from services.metrics.thinning import Digests, Thinner


def point(epoch, split="train", **values):
    return json.dumps({"split": split, "epoch": epoch, "values": values})


def filled(values, wanted, first=1):
    thinner = Thinner(wanted, first)
    for seq, value in enumerate(values, first):
        thinner.add(seq, point(seq / 10, loss=value))
    return thinner


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 500, 1023, 1024, 1025])
@pytest.mark.parametrize("wanted", [8, 40, 400])
@pytest.mark.parametrize("first", [1, 1000])
def test_few_points_are_kept_and_among_them_the_extremes_and_the_last(count, wanted, first):
    chance = random.Random(count)
    values = [chance.random() for _ in range(count)]
    kept = filled(values, wanted, first).kept()
    assert len(kept) <= wanted
    by_value = sorted(range(count), key=values.__getitem__)
    assert {first + by_value[0], first + by_value[-1], first + count - 1} <= kept
    assert min(kept) >= first


def test_a_spike_in_any_value_of_any_split_is_kept():
    thinner = Thinner(40)
    for seq in range(1, 1001):
        spike = 9.0 if seq == 777 else 0.5
        thinner.add(seq, point(seq / 10, loss=0.5, accuracy=-spike))
        if seq % 10 == 0:
            thinner.add(seq, point(seq / 10, "val", loss=7.0 if seq == 320 else 0.5))
    assert {777, 320} <= thinner.kept()


@pytest.mark.parametrize("epochs", [(0, 1000), (50, 51), (3.05, 3.06), (99.9, 200), (0.1, 0.1)])
def test_every_point_of_some_epochs_has_a_number_within(epochs):
    thinner = filled([1.0] * 1000, 40)
    inside = [seq for seq in range(1, 1001) if epochs[0] <= seq / 10 <= epochs[1]]
    low, high = thinner.numbers_within(epochs)
    assert all(low <= seq <= high for seq in inside)
    assert high - low < len(inside) + 2 * 1000 / (40 / 4 / 2), "no more than a stretch to both sides"


def test_epochs_that_no_point_has_have_no_numbers():
    assert filled([1.0] * 10, 40).numbers_within((5, 6)) is None


def test_only_points_of_the_epochs_of_interest_are_kept():
    thinner = Thinner(40, epochs=(2, 3))
    for seq in range(1, 101):
        thinner.add(seq, point(seq / 10, loss=float(seq)))
    kept = thinner.kept()
    assert {20, 30} <= kept
    assert all(20 <= seq <= 30 for seq in kept)


def test_the_jobs_looked_at_last_are_remembered():
    digests = Digests(2)
    first, second = digests.of("a", 100), digests.of("b", 100)
    assert digests.of("a", 100) is first
    digests.of("c", 100)
    assert digests.of("a", 100) is first
    assert digests.of("b", 100) is not second
