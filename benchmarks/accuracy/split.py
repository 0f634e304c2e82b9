"""One seeded, stratified cut of the rows into train, val and test, the same for every contender."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEST_SHARE = 0.2
VAL_SHARE = 0.2  # of what the test leaves, so 16 % of all
LEAST_ROWS = 5  # a class with fewer rows is learnt from, not measured
SIDES = ("train", "val", "test")


def three_way(labels: NDArray[np.str_], seed: int) -> NDArray[np.str_]:
    """Put every row on a side: 64 % train, 16 % val, 20 % test.

    Args:
        labels: Class of each row, shape (n,).
        seed: Of the shuffling.

    Returns:
        "train", "val" or "test" for each row. Each class gives every side its share, rounded down or up so that the totals
        are right too; classes of fewer than ``LEAST_ROWS`` rows are in train whole.

    Raises:
        ValueError: A side got no row, or train only one class.
    """
    chance = np.random.default_rng(seed)
    sides = np.full(len(labels), "train", dtype="<U5")
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"the target has one class only: '{classes[0]}'")
    enough = {name for name, count in zip(classes, counts, strict=True) if count >= LEAST_ROWS}
    shuffled = chance.permutation(len(labels))
    for side, share in (("test", TEST_SHARE), ("val", VAL_SHARE)):
        left = [row for row in shuffled if sides[row] == "train" and labels[row] in enough]
        sides[_sample(np.array(left, dtype=np.int64), labels, share)] = side
    empty = [side for side in SIDES if side not in sides]
    if empty:
        raise ValueError(
            f"{len(labels)} rows of {len(classes)} classes leave no row for {empty[0]}; "
            f"at least one class needs {LEAST_ROWS} rows"
        )
    return sides


def _sample(rows: NDArray[np.int64], labels: NDArray[np.str_], share: float) -> NDArray[np.int64]:
    """Take a share of each class's rows, in the order given, by largest remainder."""
    groups = [rows[labels[rows] == name] for name in np.unique(labels[rows])]
    wanted = np.array([len(group) * share for group in groups])
    taken = np.floor(wanted).astype(int)
    more = round(wanted.sum()) - taken.sum()
    taken[np.argsort(taken - wanted, kind="stable")[:more]] += 1
    return np.concatenate([group[:number] for group, number in zip(groups, taken, strict=True)] or [rows])
