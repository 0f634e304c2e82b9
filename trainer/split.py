"""Which rows train and which validate: seeded and stratified, or as a column says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_ROWS_TO_SPLIT = 2  # a class with fewer rows is rare: it can only be learnt from, not measured
TRAIN_WORDS = frozenset({"train", "training"})
VAL_WORDS = frozenset({"val", "valid", "validation", "dev"})


@dataclass(frozen=True)
class Split:
    """Row numbers of each side, ascending, and what a person should know of it."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)


def stratified_split(classes: NDArray[np.int64], share: float, seed: int) -> Split:
    """Hold out a share of every class.

    Each class of n rows gives floor or ceil of n times share, by largest remainder, so that the total is right as well;
    classes of one row go to training whole.

    Args:
        classes: Class number of each row, shape (n,).
        share: Of the rows that are held out, 0 to 1.
        seed: The same seed gives the same rows.

    Raises:
        DataError: No row can be held out.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(classes)
    splittable = counts >= MIN_ROWS_TO_SPLIT
    if not splittable.any():
        raise DataError(
            "every class has only one row, so none can be held out for validation; choose a target column whose values repeat"
        )
    quota = np.where(splittable, counts * share, 0.0)
    held_out = np.minimum(np.floor(quota).astype(np.int64), np.maximum(counts - 1, 0))
    wanted = max(1, round(float(quota.sum())))
    # ties between equal remainders are broken by the seed, not by the class's name
    remainder = np.where(splittable & (held_out < counts - 1), quota - held_out, -1.0)
    order = np.lexsort((random.random(len(counts)), -remainder))
    for number in order[: max(0, wanted - int(held_out.sum()))]:
        if remainder[number] >= 0:
            held_out[number] += 1
    val = np.concatenate(
        [
            random.permutation(np.flatnonzero(classes == number))[:take]
            for number, take in enumerate(held_out)
            if take
        ]
    )
    train = np.setdiff1d(np.arange(len(classes)), val, assume_unique=True)
    rare = int((counts == 1).sum())
    notes = [f"{rare} classes with a single row are only trained on, not validated"] if rare else []
    return Split(train, np.sort(val), notes)


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
