from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import DataError
from trainer.split import column_split, stratified_split

class_sizes = st.lists(st.integers(1, 40), min_size=2, max_size=8).filter(lambda sizes: max(sizes) > 1)
any_share = st.floats(0, 1, exclude_min=True, exclude_max=True)


def classes_of(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


@given(class_sizes, any_share, st.integers(0, 1000))
def test_every_row_is_on_exactly_one_side(sizes, share, seed):
    classes = classes_of(sizes)
    split = stratified_split(classes, share, seed)
    assert sorted([*split.train, *split.val]) == list(range(len(classes)))
    assert len(split.val) >= 1


@given(class_sizes, any_share, st.integers(0, 1000))
def test_every_class_gives_its_share_within_a_row_and_stays_in_training(sizes, share, seed):
    classes = classes_of(sizes)
    split = stratified_split(classes, share, seed)
    held_out = np.bincount(classes[split.val], minlength=len(sizes))
    for size, taken in zip(sizes, held_out, strict=True):
        assert abs(taken - size * share) <= 1 or size == 1
        assert taken < size


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


@st.composite
def rows_with_copies(draw):
    """Classes and groups of up to 60 rows; a group may hold rows of several classes."""
    classes = classes_of(draw(class_sizes.filter(lambda sizes: sum(sizes) <= 60)))
    numbers = draw(st.lists(st.integers(0, len(classes)), min_size=len(classes), max_size=len(classes)))
    return classes, np.unique(numbers, return_inverse=True)[1]


@given(rows_with_copies(), any_share, st.integers(0, 1000))
def test_whatever_the_copies_both_sides_have_rows_and_training_has_every_class(rows, share, seed):
    classes, groups = rows
    split = stratified_split(classes, share, seed, groups)
    assert sorted([*split.train, *split.val]) == list(range(len(classes)))
    assert len(split.val) >= 1
    assert set(classes[split.train]) == set(classes)


@given(rows_with_copies(), any_share, st.integers(0, 1000))
def test_copies_are_on_one_side_unless_the_classes_hold_nothing_else_and_a_note_says_which(rows, share, seed):
    classes, groups = rows
    split = stratified_split(classes, share, seed, groups)
    apart = not set(groups[split.train]) & set(groups[split.val])
    copies = len(groups) - len(set(groups))
    assert f"{copies} rows repeat another row's features" in split.notes[-1]
    assert apart == split.notes[-1].endswith("copies are kept on one side of the split")


def test_copies_are_held_out_as_often_as_other_rows_and_classes_keep_their_share():
    classes = np.repeat([0, 1], [900, 300])
    groups = np.concatenate([np.arange(600), 600 + np.arange(600) // 3])  # half of the rows are threefold
    sides = [stratified_split(classes, 0.2, seed, groups).val for seed in range(40)]
    assert {tuple(np.bincount(classes[val])) for val in sides} <= {(180, n) for n in (58, 59, 60)}
    threefold = np.mean([(val >= 600).mean() for val in sides])
    assert threefold == pytest.approx(0.5, abs=0.03)


def test_classes_of_copies_alone_are_split_all_the_same():
    split = stratified_split(np.repeat([0, 1], 10), 0.2, 0, np.repeat([0, 1], 10))
    assert len(split.val) == 4
    assert "copies are on both sides" in split.notes[0]


def test_a_column_may_say_who_validates():
    split = column_split(["Train", "val", "test", " VALIDATION", "train", None], "part")
    assert (split.train.tolist(), split.val.tolist()) == ([0, 4], [1, 3])
    assert split.notes == ["2 rows that 'part' marks as neither train nor val are left out"]


def test_a_column_without_validation_rows_is_refused_with_its_values():
    with pytest.raises(DataError, match=r"marks no row as 'val'; its values are 'test', 'train'"):
        column_split(["train", "test"], "part")
