"""Gathers what a column holds, block by block, in bounded memory.

A column starts SMALL: its distinct values are counted exactly, and everything about it follows from those counts.
Once they are too many it becomes LARGE: from then on its blocks only feed running figures (polars expressions, no
Python per cell), a k-minimum-values sketch of the distinct values (Bar-Yossef et al., "Counting distinct elements
in a data stream", RANDOM 2002), exact counts of the values that were frequent until then, and samples taken every
n-th row.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from tabular.formats import Guess, guess
from tabular.imagecolumn import ImageTally, may_be_images
from tabular.parse import moment, numeric
from tabular.sketches import Distinct, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tabular.images import ImageIndex

EXACT_DISTINCT = 10_000
SAMPLE = 10_000
STRINGS = 2_000
FREQUENT = 200
ODD_VALUES = 1_000
COLUMNS_BUDGET = 48 << 20
LEAST_SCALE = sys.float_info.min
MOST_SHIFT = 1e290  # the distance of the largest float from it is still a float


@dataclass
class Running:
    """Running figures of a LARGE column."""

    guess: Guess
    distinct: Distinct
    frequent: dict[str, int] = field(default_factory=dict)
    blank: int = 0
    characters: int = 0
    longest: int = 0
    parsed: int = 0
    whole: int = 0
    total: float = 0.0  # of (number - shift) / scale
    squares: float = 0.0
    scale: float = LEAST_SCALE  # the largest distance from the shift: no square is too large then
    low: Any = None  # a float or a datetime, as the guess says
    high: Any = None
    odd: dict[str, int] = field(default_factory=dict)
    odd_rows: int = 0
    shift: float = 0.0
    values: Sample = field(default_factory=lambda: Sample(SAMPLE))
    strings: Sample = field(default_factory=lambda: Sample(STRINGS))


class ColumnTally:
    """Everything gathered about one column."""

    def __init__(self, name: str, budget: int, index: ImageIndex, forced: Guess | None = None) -> None:
        """Start empty; with a forced guess the column is LARGE from the start.

        Args:
            name: The column.
            budget: Most bytes its counts may take.
            index: The uploaded files among which its values may be images.
            forced: The format to parse by, where it is known already.
        """
        self.name = name
        self.rows = 0
        self.images: ImageTally | None = None
        self._index = index
        self._budget = budget
        self._most = max(256, min(EXACT_DISTINCT, budget // 24))
        self.counts: dict[str, int] = {}
        self._bytes = 0
        self.running: Running | None = None
        if forced is not None:
            self.running = Running(forced, Distinct(self._most))

    @property
    def large(self) -> bool:
        """Whether exact counting was given up."""
        return self.running is not None

    def count_values(self, counted: Iterable[tuple[Any, ...]]) -> None:
        """Take in the distinct values of a block of a SMALL column with their rows; it may become LARGE."""
        for text, number in counted:
            if text in self.counts:
                self.counts[text] += number
            else:
                self.counts[text] = number
                self._bytes += len(text)
        if len(self.counts) > self._most or self._bytes > self._budget:
            self._enlarge()

    def _enlarge(self) -> None:
        filled = {value: rows for value, rows in self.counts.items() if value}
        state = self.running = Running(guess(filled), Distinct(self._most))
        frequent = sorted(filled.items(), key=lambda item: (-item[1], item[0]))[:FREQUENT]
        state.frequent = {value: rows for value, rows in frequent if rows > 1}
        if may_be_images(filled, self._index):
            self.images = ImageTally(self._index)
            self.images.absorb(filled)
        frame = pl.DataFrame(
            {"c": list(self.counts), "w": list(self.counts.values())}, schema={"c": pl.String, "w": pl.Int64}
        )
        self.counts, self._bytes = {}, 0
        if state.guess.number is not None:
            mean = frame.select(numeric(pl.col("c"), state.guess.number).mean()).item() or 0.0
            state.shift = mean if abs(mean) < MOST_SHIFT else 0.0
        frame = frame.with_columns(self.preparations("c"))
        self._absorb_figures(_answers(frame.select(self.expressions("c", "", weight="w"))), "")
        # The samples are to hold every n-th row: take those positions of the rows that the counts stand for.
        rows = int(frame["w"].sum())
        stride = 1 << max(0, math.ceil(math.log2(max(1, rows / SAMPLE))))
        ends = frame["w"].cum_sum()
        places = ends.search_sorted(pl.Series(range(0, rows, stride), dtype=pl.Int64), side="right")
        taken = frame.drop("w")[places]
        answers = _answers(taken.select(self.expressions("c", "")))
        state.strings.absorb(_first(answers["strings"]), taken.height)
        state.values.absorb(_first(answers["values"]), taken.height)
        state.strings.continue_after(rows, stride)
        state.values.continue_after(rows, stride)

    def preparations(self, column: str) -> list[pl.Expr]:
        """Give what `expressions` needs beside a LARGE column: its parsed values, computed once."""
        state = self.running
        assert state is not None  # noqa: S101  only LARGE columns are asked
        text = pl.col(column)
        if state.guess.number is not None:
            return [numeric(text, state.guess.number).alias(f"{column}:parsed")]
        if state.guess.moment is not None:
            return [moment(text, state.guess.moment).alias(f"{column}:parsed")]
        return []

    def expressions(self, column: str, label: str, weight: str | None = None) -> list[pl.Expr]:
        """Give what a prepared block of a LARGE column must be asked; outputs are named label + key."""
        state = self.running
        assert state is not None  # noqa: S101  as in preparations
        text = pl.col(column)
        filled = text != ""
        length = text.str.len_chars()
        hashed = text.filter(filled).hash(seed=1)
        asked = {
            "blank": _rows(~filled, weight),
            "characters": _total(length, weight),
            "longest": length.max(),
            "hashes": hashed.filter(hashed <= state.distinct.threshold).unique().implode(),
            "strings": text.str.slice(0, 400)
            .gather_every(state.strings.stride, state.strings.offset())
            .implode(),
        }
        if self.images is not None and weight is None:
            asked["images"] = text.filter(filled).value_counts().implode()
        if state.frequent and weight is None:
            asked["frequent"] = text.filter(text.is_in(list(state.frequent))).value_counts().implode()
        parsed = pl.col(f"{column}:parsed")
        typed = state.guess.number is not None or state.guess.moment is not None
        if state.guess.number is not None:
            centred = parsed - state.shift
            asked["scale"] = scale = pl.max_horizontal(centred.abs().max(), pl.lit(LEAST_SCALE))
            centred /= scale
            asked["whole"] = _rows(parsed == parsed.round(), weight)
            asked["total"] = _total(centred, weight)
            asked["squares"] = _total(centred * centred, weight)
        if typed:
            odd = parsed.is_null() & filled
            asked["parsed"] = _rows(parsed.is_not_null(), weight)
            asked["low"], asked["high"] = parsed.min(), parsed.max()
            asked["odd_rows"] = _rows(odd, weight)
            counted = (
                text.filter(odd).value_counts() if weight is None else pl.struct(column, weight).filter(odd)
            )
            asked["odd"] = counted.head(ODD_VALUES).implode()
        measured = length if state.guess.number is None else parsed
        asked["values"] = measured.gather_every(state.values.stride, state.values.offset()).implode()
        return [expression.alias(label + key) for key, expression in asked.items()]

    def absorb(self, answers: dict[str, pl.Series], label: str, rows: int) -> None:
        """Take in the answers of one block of a LARGE column."""
        self._absorb_figures(answers, label)
        state = self.running
        assert state is not None  # noqa: S101  as in expressions
        state.strings.absorb(_first(answers[label + "strings"]), rows)
        state.values.absorb(_first(answers[label + "values"]), rows)
        if self.images is not None:
            self.images.absorb(dict(entry.values() for entry in _first(answers[label + "images"])))

    def better_guess(self) -> Guess | None:
        """Give another format that fits better now that all rows were seen, or None."""
        state = self.running
        if state is None or (state.odd_rows == 0 and state.guess != Guess()):
            return None
        seen: dict[str, float] = dict.fromkeys(state.odd, 1.0)
        for value in filter(None, state.strings.values):
            seen[value] = seen.get(value, 0.0) + 1.0
        better = guess(seen)
        return None if better in (state.guess, Guess()) else better

    def _absorb_figures(self, answers: dict[str, pl.Series], label: str) -> None:
        state = self.running
        assert state is not None  # noqa: S101  as in expressions
        for key in ("blank", "characters", "parsed", "whole", "odd_rows"):
            if label + key in answers:
                setattr(state, key, getattr(state, key) + (_first(answers[label + key]) or 0))
        if label + "scale" in answers:
            scale, total, squares = (_first(answers[label + key]) for key in ("scale", "total", "squares"))
            largest = max(state.scale, scale)
            before, now = state.scale / largest, scale / largest
            state.total = state.total * before + total * now
            state.squares = state.squares * before**2 + squares * now**2
            state.scale = largest
        state.longest = max(state.longest, _first(answers[label + "longest"]) or 0)
        low, high = (
            _first(answers[label + key]) if label + key in answers else None for key in ("low", "high")
        )
        if low is not None:
            state.low = low if state.low is None else min(state.low, low)
            state.high = high if state.high is None else max(state.high, high)
        state.distinct.absorb(answers[label + "hashes"].explode().drop_nulls())
        for value, number in _entries(answers, label + "frequent"):
            state.frequent[value] += number
        for value, number in _entries(answers, label + "odd"):
            if value in state.odd or len(state.odd) < ODD_VALUES:
                state.odd[value] = state.odd.get(value, 0) + number


def _answers(frame: pl.DataFrame) -> dict[str, pl.Series]:
    return {answer.name: answer for answer in frame.get_columns()}


def _first(answer: pl.Series) -> Any:
    return answer.to_list()[0]


def _entries(answers: dict[str, pl.Series], key: str) -> list[tuple[str, int]]:
    if key not in answers:
        return []
    pairs = (tuple(entry.values()) for entry in _first(answers[key]))
    return [(value, number) for value, number in pairs]


def _rows(condition: pl.Expr, weight: str | None) -> pl.Expr:
    return condition.sum() if weight is None else pl.col(weight).filter(condition).sum()


def _total(value: pl.Expr, weight: str | None) -> pl.Expr:
    return value.sum() if weight is None else (value * pl.col(weight)).sum()
