"""Measures how well one column alone names the class: each row guessed by the other rows that share something with it.

Rows of an equal key (a value, a stretch of the sorted values) vote, the row itself left out. So a key that only one row
has says nothing, and a column of distinct values cannot shine by heart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VALUE = "its value"
STRETCHES = (4, 32, 256)  # values: short ones find a step to the row, long ones what holds on the whole
OFTEN = 20  # rows to a value
SORTED = {ColumnType.NUMERIC, ColumnType.DATETIME, ColumnType.TEXT, ColumnType.CATEGORICAL}
MOST_NAMED_CLASSES = 50  # a search through the texts for each
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True)
class Guess:
    """How far one way of guessing gets.

    Attributes:
        by: What is looked at, in words.
        right: Share of the guesses that are right.
        base: Share of the most frequent class among the rows guessed.
        covered: Share of all rows that are guessed.
        rows: Rows that are guessed.
        keys: Distinct keys among them.
    """

    by: str
    right: float
    base: float
    covered: float
    rows: int
    keys: int

    @property
    def skill(self) -> float:
        """How much is right of what the most frequent class leaves open; 1 is always right, 0 no better than that class."""
        return (self.right - self.base) / (1 - self.base) if self.base < 1 else 0.0


def guesses(values: pl.Series, kind: ColumnType, classes: pl.Series) -> Iterator[Guess]:
    """Try every way of guessing by one column.

    Args:
        values: Clean values, shape (n,).
        kind: What the column is.
        classes: Names of the classes, shape (n,).
    """
    filled = values.is_not_null()
    if not filled.all():
        yield guess("whether it is blank", filled, classes, filled.is_not_null())
    yield guess(VALUE, values, classes, filled)
    distinct = values.n_unique()
    if kind not in SORTED or int(filled.sum()) >= OFTEN * distinct:
        return  # of values that occur often the guess by value has told all
    rank = values.rank("dense").cast(pl.Int64) - 1
    for stretch in STRETCHES:
        if 2 * stretch <= distinct:
            yield guess("its place in sorted order", rank // stretch, classes, filled)


def guess(by: str, keys: pl.Series, classes: pl.Series, where: pl.Series) -> Guess:
    """Guess every row that is marked by the others of its key; of equally many votes half count as right.

    A class with c rows of a key has c - 1 votes for each of them; it wins where every other class has fewer.
    """
    frame = pl.DataFrame({"key": keys, "class": classes}).filter(where)
    counts = frame.group_by("key", "class").agg(rows=pl.len())
    shared = counts.with_columns(of_key=pl.col("rows").sum().over("key")).filter(pl.col("of_key") > 1)
    votes = shared.group_by("key").agg(first=pl.col("rows").max(), two=pl.col("rows").top_k(2).sum())
    lead = pl.col("first") - 1 - (pl.col("two") - pl.col("first")).cast(pl.Int64)
    won = pl.when(lead > 0).then(pl.col("first")).when(lead == 0).then(pl.col("first") / 2).otherwise(0)
    of_classes = shared.group_by("class").agg(pl.col("rows").sum())["rows"].to_list()
    return _guess(by, votes.select(won.sum()).item(), of_classes, len(classes), votes.height)


def named_class(texts: pl.Series, classes: pl.Series) -> Guess | None:
    """Guess every row whose text holds the name of exactly one class as a word, in any case, to be of that class.

    Returns:
        None where no class has a name of letters, or too many have.
    """
    names = [str(name) for name in classes.unique().sort().to_list() if _WORD.search(str(name))]
    if not 0 < len(names) <= MOST_NAMED_CLASSES:
        return None
    found = pl.DataFrame(
        [texts.str.contains(rf"(?i)(?:^|\W){re.escape(name)}(?:\W|$)").rename(name) for name in names]
    )
    once = found.select(pl.sum_horizontal(pl.all()) == 1).to_series().fill_null(value=False)
    guessed = found.select(pl.coalesce(pl.when(name).then(pl.lit(name)) for name in names)).to_series()
    of_classes = classes.filter(once).value_counts()["count"].to_list()
    return _guess(
        "the class names in it",
        int((once & (guessed == classes)).sum()),
        of_classes,
        len(classes),
        len(names),
    )


def _guess(by: str, right: float, of_classes: Sequence[int], every: int, keys: int) -> Guess:
    rows = sum(of_classes)
    if rows == 0:
        return Guess(by, 0.0, 1.0, 0.0, 0, 0)
    return Guess(by, right / rows, max(of_classes) / rows, rows / every, rows, keys)
