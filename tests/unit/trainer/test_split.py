from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import DataError
from trainer.split import column_split, stratified_split

class_sizes = st.lists(st.integers(1, 40), min_size=2, max_size=8).filter(lambda sizes: max(sizes) > 1)


def classes_of(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


@settings(deadline=None)
@given(class_sizes, st.floats(0.05, 0.6), st.integers(0, 1000))
def test_every_row_is_on_exactly_one_side(sizes, share, seed):
    classes = classes_of(sizes)
    split = stratified_split(classes, share, seed)
    assert sorted([*split.train, *split.val]) == list(range(len(classes)))
    assert len(split.val) >= 1


@settings(deadline=None)
@given(class_sizes, st.floats(0.05, 0.6), st.integers(0, 1000))
def test_every_class_gives_its_share_within_a_row_and_stays_in_training(sizes, share, seed):
    classes = classes_of(sizes)
    split = stratified_split(classes, share, seed)
    held_out = np.bincount(classes[split.val], minlength=len(sizes))
    for size, taken in zip(sizes, held_out, strict=True):
        assert abs(taken - size * share) <= 1
        assert taken < size


@settings(deadline=None)
@given(class_sizes, st.integers(0, 1000))
def test_classes_of_one_row_are_set_aside_for_training(sizes, seed):
    classes = classes_of(sizes)
    split = stratified_split(classes, 0.3, seed)
    rare = [number for number, size in enumerate(sizes) if size == 1]
    assert not set(classes[split.val]) & set(rare)
    assert bool(split.notes) == bool(rare)


def test_the_seed_decides():
    classes = classes_of([50, 50])
    first, again, other = (stratified_split(classes, 0.2, seed) for seed in (1, 1, 2))
    assert first.val.tolist() == again.val.tolist() != other.val.tolist()


def test_refuses_a_table_whose_every_class_has_one_row():
    with pytest.raises(DataError, match="only one row"):
        stratified_split(np.arange(5), 0.2, 0)


def test_a_column_may_say_who_validates():
    split = column_split(["Train", "val", "test", " VALIDATION", "train", None], "part")
    assert (split.train.tolist(), split.val.tolist()) == ([0, 4], [1, 3])
    assert split.notes == ["2 rows that 'part' marks as neither train nor val are left out"]


def test_a_column_without_validation_rows_is_refused_with_its_values():
    with pytest.raises(DataError, match=r"marks no row as 'val'; its values are 'test', 'train'"):
        column_split(["train", "test"], "part")
