"""Which rows train and which validate: seeded and stratified, or as a column says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contracts.job import TRAIN_WORDS, VAL_WORDS
from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_ROWS_TO_SPLIT = 2  # a class with fewer rows is rare: it can only be learnt from, not measured


@dataclass(frozen=True)
class Split:
    """Row numbers of each side, ascending, and what a person should know of it."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)


def stratified_split(
    classes: NDArray[np.int64], share: float, seed: int, groups: NDArray[np.int64] | None = None
) -> Split:
    """Hold out a share of every class, and every group whole.

    Each class of n rows gives floor or ceil of n times share, by largest remainder, so that the total is right as well;
    every class stays in training, and one of a single row goes there whole. Groups come before shares: a class gives
    less where its next group would be too much, and more where its smallest group is already more.

    Args:
        classes: Class number of each row, shape (n,); every class from 0 on has a row.
        share: Of the rows that are held out, 0 to 1.
        seed: The same seed gives the same rows.
        groups: Group number of each row, shape (n,), for rows that must be on one side; None: each may be on either.

    Raises:
        DataError: No row can be held out.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(classes)
    if not (counts >= MIN_ROWS_TO_SPLIT).any():
        raise DataError(
            "every class has only one row, so none can be held out for validation; choose a target column whose values repeat"
        )
    rare = int((counts == 1).sum())
    notes = [f"{rare} classes with a single row are only trained on, not validated"] if rare else []
    wanted = _wanted(counts, share, random)
    alone = np.arange(len(classes))
    held_out = _hold_out(classes, alone if groups is None else groups, wanted, random)
    if groups is not None:
        copies = len(classes) - int(np.count_nonzero(np.bincount(groups)))
        if held_out.any():
            notes.append(
                f"{copies} rows repeat another row's features; copies are kept on one side of the split"
            )
        else:
            held_out = _hold_out(classes, alone, wanted, random)
            notes.append(
                f"{copies} rows repeat another row's features, and the classes hold nothing else: copies are on both sides of the split"
            )
    return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out), notes)


def _wanted(counts: NDArray[np.int64], share: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Give the rows to hold out of each class of so many rows."""
    splittable = counts >= MIN_ROWS_TO_SPLIT
    quota = np.where(splittable, counts * share, 0.0)
    wanted = np.minimum(np.floor(quota).astype(np.int64), np.maximum(counts - 1, 0))
    total = max(1, round(float(quota.sum())))
    # ties between equal remainders are broken by the seed, not by the class's name
    remainder = np.where(splittable & (wanted < counts - 1), quota - wanted, -1.0)
    order = np.lexsort((random.random(len(counts)), -remainder))
    for number in order[: max(0, total - int(wanted.sum()))]:
        if remainder[number] >= 0:
            wanted[number] += 1
    return wanted


def _hold_out(
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
    wanted: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.bool_]:
    """Mark the rows to hold out: groups in random order, a group of several classes counting as of one of them."""
    sizes = np.bincount(groups)
    home = np.zeros(len(sizes), np.int64)
    home[groups] = classes
    order = random.permutation(len(sizes))
    order = order[np.argsort(home[order], kind="stable")]
    starts = np.searchsorted(home[order], np.arange(len(wanted) + 1))
    taken = np.zeros(len(sizes), bool)
    for number, rows in enumerate(wanted):
        mine = order[starts[number] : starts[number + 1]]
        taken[_fitting(mine, sizes[mine], int(rows))] = True
    # only a group of several classes can have taken the last row of one
    lost = np.bincount(classes[~taken[groups]], minlength=len(wanted)) == 0
    taken[groups[lost[classes]]] = False
    return taken[groups]


def _fitting(groups: NDArray[np.int64], sizes: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Take the first groups as far as they fit into so many rows, then single rows; never all of them."""
    first = int(np.searchsorted(np.cumsum(sizes), rows, side="right"))
    short = rows - int(sizes[:first].sum())
    single = first + np.flatnonzero(sizes[first:] == 1)[:short]
    fitting = np.concatenate([groups[:first], groups[single]])
    if rows and not len(fitting) and len(groups) > 1:
        return groups[[sizes.argmin()]]
    return fitting


def column_split(values: Sequence[str | None], column: str) -> Split:
    """Split as a column says: train or val, in any case.

    Raises:
        DataError: No row is marked for one of the sides.
    """
    words = np.array([(value or "").strip().lower() for value in values], dtype=object)
    train = np.flatnonzero([word in TRAIN_WORDS for word in words])
    val = np.flatnonzero([word in VAL_WORDS for word in words])
    if not len(train) or not len(val):
        found = ", ".join(repr(word) for word in sorted(set(words))[:10])
        side = "train" if not len(train) else "val"
        raise DataError(f"SPLIT_COLUMN {column!r} marks no row as {side!r}; its values are {found}")
    other = len(words) - len(train) - len(val)
    notes = [f"{other} rows that {column!r} marks as neither train nor val are left out"] if other else []
    return Split(train, val, notes)
