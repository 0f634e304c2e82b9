"""Figures of a column for a person to look at, from its evidence."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from contracts.schema import Bin, ColumnType, Statistics, ValueCount

if TYPE_CHECKING:
    from tabular.evidence import Evidence

BINS = 20
MOST_TOP_VALUES = 50
_SHOWN = 200


def statistics_of(facts: Evidence, kind: ColumnType) -> Statistics:
    """Give the figures that make sense for a type; median and histogram are estimates where not every value was kept."""
    length = {"mean_length": facts.mean_length, "max_length": facts.longest} if facts.present else {}
    top = [ValueCount(value=value[:_SHOWN], count=round(rows)) for value, rows in facts.top[:MOST_TOP_VALUES]]
    if kind is ColumnType.NUMERIC and facts.numbers:
        return Statistics(
            minimum=_number(facts.low),
            maximum=_number(facts.high),
            mean=facts.mean,
            std=facts.std,
            median=weighted_median(facts.numbers),
            histogram=histogram(facts.numbers),
            top_values=top,
            **length,
        )
    if kind is ColumnType.DATETIME and isinstance(facts.low, datetime) and isinstance(facts.high, datetime):
        return Statistics(
            earliest=facts.low.isoformat(), latest=facts.high.isoformat(), top_values=top, **length
        )
    if kind is ColumnType.TEXT:
        return Statistics(histogram=histogram(facts.lengths), top_values=top, **length)
    return Statistics(top_values=top, **length)


def mean_and_std(values: list[tuple[float, float]]) -> tuple[float, float]:
    """Give mean and standard deviation of weighted values.

    They are taken of values between -1 and 1, so that no sum or square is too large for a float; a power of two as the
    scale loses no digit.

    Args:
        values: At least one; finite, each with its weight.
    """
    largest, exponent = math.frexp(max(abs(value) for value, _ in values))
    scaled = [(math.ldexp(value, -exponent), weight) for value, weight in values]
    total = math.fsum(weight for _, weight in values)
    mean = math.fsum(value * weight for value, weight in scaled) / total
    variance = math.fsum((value - mean) ** 2 * weight for value, weight in scaled) / total
    mean = max(-largest, min(largest, mean))  # rounding must not lead beyond the largest float
    return math.ldexp(mean, exponent), math.ldexp(min(largest, math.sqrt(variance)), exponent)


def weighted_median(values: list[tuple[float, float]]) -> float | None:
    """Give the value at which half of the weight is reached; between two of equal standing, their mean."""
    ordered = sorted(values)
    half = sum(weight for _, weight in ordered) / 2
    for index, reached in enumerate(accumulate(weight for _, weight in ordered)):
        if reached == half and index + 1 < len(ordered):
            return ordered[index][0] / 2 + ordered[index + 1][0] / 2  # their sum may be too large for a float
        if reached > half:
            return ordered[index][0]
    return ordered[-1][0] if ordered else None


def histogram(values: list[tuple[float, float]]) -> list[Bin]:
    """Count weighted values in up to 20 bars of equal width."""
    if not values:
        return []
    low, high = min(value for value, _ in values), max(value for value, _ in values)
    if low == high:
        return [Bin(low=low, high=high, count=round(sum(weight for _, weight in values)))]
    half_width = (high / 2 - low / 2) / BINS  # the whole range may be too large for a float
    if not half_width:
        return []
    rows = [0.0] * BINS
    for value, weight in values:
        rows[min(BINS - 1, int((value / 2 - low / 2) / half_width))] += weight
    edges = [low * (1 - index / BINS) + high * (index / BINS) for index in range(BINS + 1)]
    return [
        Bin(low=edges[index], high=edges[index + 1], count=round(count)) for index, count in enumerate(rows)
    ]


def _number(value: float | datetime | None) -> float | None:
    return value if isinstance(value, float) else None
