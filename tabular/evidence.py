"""What is known about one column when all rows are read: the facts that the rules of verdict.py look at."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from tabular.formats import Guess, guess
from tabular.missing import tokens_among_strings, tokens_out_of_type
from tabular.parse import parse_datetime, parse_numeric
from tabular.statistics import mean_and_std

if TYPE_CHECKING:
    from datetime import datetime

    from tabular.tally import ColumnTally, Running

_LEADING_ZERO = re.compile(r"[+-]?0\d+")
_PLUS = re.compile(r"\+\d[\d\- ]*")
_WORD = re.compile(r"(?<!\S)\S*[^\W\d_]{2}\S*")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


@dataclass
class Evidence:
    """Facts about one column. Weights are rows: exact where every value was counted, else scaled from a sample."""

    name: str
    position: int
    rows: int
    blank: int
    guess: Guess
    exact: bool
    strings: dict[str, float]  # values that are not missing, with weights
    distinct: int
    tokens: list[str]
    token_rows: int
    top: list[tuple[str, int]]
    characters: int = 0
    longest: int = 0
    parsed: int = 0
    whole: int = 0
    low: float | datetime | None = None
    high: float | datetime | None = None
    mean: float | None = None
    std: float | None = None
    numbers: list[tuple[float, float]] = field(default_factory=list)
    lengths: list[tuple[float, float]] = field(default_factory=list)
    odd: dict[str, int] = field(default_factory=dict)
    odd_rows: int = 0

    @property
    def missing(self) -> int:
        """Rows that are blank or hold a missing-value token."""
        return self.blank + self.token_rows

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def distinct_share(self) -> float:
        """Distinct values per row with a value."""
        return min(1.0, self.distinct / self.present) if self.present else 0.0

    @property
    def parsed_share(self) -> float:
        """Share of the rows with a value that parse as the guessed number or date."""
        return self.parsed / self.present if self.present else 0.0

    def share(self, pattern: re.Pattern[str]) -> float:
        """Share of the rows with a value that match a pattern wholly."""
        total = sum(self.strings.values())
        return (
            sum(rows for value, rows in self.strings.items() if pattern.fullmatch(value)) / total
            if total
            else 0.0
        )

    @property
    def leading_zeros(self) -> float:
        """Share of the rows with a value that are digits behind a leading zero."""
        return self.share(_LEADING_ZERO)

    @property
    def plus_signs(self) -> float:
        """Share of the rows with a value that are digits behind a plus sign, as phone codes are."""
        return self.share(_PLUS)

    @property
    def mean_words(self) -> float:
        """Mean number of words: what stands between blanks and has two letters, or two signs of unspaced scripts."""
        total = sum(self.strings.values())
        return (
            sum(count_words(value) * rows for value, rows in self.strings.items()) / total if total else 0.0
        )

    @property
    def lower_case_words(self) -> float:
        """Share of the words that start with a small letter, as in phrases but not in names."""
        words = [word for value in self.strings for word in value.split() if word[0].isalpha()]
        return sum(word[0].islower() for word in words) / len(words) if words else 0.0

    @property
    def mean_length(self) -> float:
        """Mean number of characters of the rows with a value."""
        return self.characters / self.present if self.present else 0.0


def count_words(value: str) -> int:
    """Count what stands between blanks and has two letters; two signs of a script without blanks are a word."""
    unspaced = 0 if value.isascii() else len(_UNSPACED.findall(value)) // 2
    return max(unspaced, len(_WORD.findall(value)))


def evidence_of(tally: ColumnTally, position: int) -> Evidence:
    """Put together what a tally gathered."""
    if tally.running is None:
        return _from_counts(tally, position)
    return _from_running(tally, tally.running, position)


def _from_counts(tally: ColumnTally, position: int) -> Evidence:
    filled = {value: rows for value, rows in tally.counts.items() if value}
    found = guess(filled)
    series = pl.Series("value", list(filled), dtype=pl.String)
    parsed: list[float | None] | list[datetime | None] = []
    if found.number is not None:
        parsed = parse_numeric(series, found.number).to_list()
    elif found.moment is not None:
        parsed = parse_datetime(series, found.moment).to_list()
    odd = {
        value: rows for (value, rows), number in zip(filled.items(), parsed, strict=False) if number is None
    }
    tokens = tokens_out_of_type(odd) if parsed else tokens_among_strings(filled)
    strings = {value: rows for value, rows in filled.items() if value not in tokens}
    top = sorted(strings.items(), key=lambda item: (-item[1], item[0]))[:50]
    facts = Evidence(
        tally.name, position, tally.rows, tally.rows - sum(filled.values()), found,
        exact=True, strings=dict(strings), distinct=len(strings), tokens=tokens,
        token_rows=sum(filled[token] for token in tokens), top=top,
        characters=sum(len(value) * rows for value, rows in strings.items()),
        longest=max(map(len, strings), default=0),
        lengths=[(float(len(value)), rows) for value, rows in strings.items()],
        odd={value: rows for value, rows in odd.items() if value not in tokens},
    )  # fmt: skip
    facts.odd_rows = sum(facts.odd.values())
    weighted = [
        (value, rows) for value, rows in zip(parsed, filled.values(), strict=False) if value is not None
    ]
    facts.parsed = sum(rows for _, rows in weighted)
    if weighted:
        facts.low = min(value for value, _ in weighted)
        facts.high = max(value for value, _ in weighted)
    if found.number is not None and weighted:
        numbers = [(float(value), float(rows)) for value, rows in weighted]  # type: ignore[arg-type]
        facts.numbers = numbers
        facts.whole = round(sum(rows for value, rows in numbers if value.is_integer()))
        facts.mean, facts.std = mean_and_std(numbers)
    return facts


def _from_running(tally: ColumnTally, state: Running, position: int) -> Evidence:
    present = tally.rows - state.blank
    sample: dict[str, float] = {}
    for value in state.strings.values:
        if value:
            sample[value] = sample.get(value, 0.0) + 1.0
    scale = present / max(1.0, sum(sample.values()))
    sample = {value: rows * scale for value, rows in sample.items()}
    typed = state.guess.number is not None or state.guess.moment is not None
    tokens = tokens_out_of_type(state.odd) if typed else tokens_among_strings({**sample, **state.frequent})
    known = {**state.odd, **state.frequent}
    token_rows = sum(round(known.get(token, sample.get(token, 0))) for token in tokens)
    top = sorted(
        ((value, rows) for value, rows in state.frequent.items() if value not in tokens),
        key=lambda item: (-item[1], item[0]),
    )
    facts = Evidence(
        tally.name, position, tally.rows, state.blank, state.guess,
        exact=False, strings={value: rows for value, rows in sample.items() if value not in tokens},
        distinct=max(1, state.distinct.count - len(tokens)), tokens=tokens, token_rows=token_rows, top=top[:50],
        characters=state.characters - sum(len(token) * round(known.get(token, 0)) for token in tokens),
        longest=state.longest, parsed=state.parsed, whole=state.whole, low=state.low, high=state.high,
        odd={value: rows for value, rows in state.odd.items() if value not in tokens},
        odd_rows=max(0, state.odd_rows - token_rows) if typed else 0,
    )  # fmt: skip
    values = [value for value in state.values.values if value is not None]
    if state.guess.number is not None and state.parsed:
        weight = state.parsed / max(1, len(values))
        facts.numbers = [(value, weight) for value in values]
        centred = state.total / state.parsed
        facts.mean = state.shift + centred * state.scale
        facts.std = math.sqrt(max(0.0, state.squares / state.parsed - centred * centred)) * state.scale
    else:
        filled = [float(value) for value in values if value]
        facts.lengths = [(value, facts.present / max(1, len(filled))) for value in filled]
    return facts
