"""What every typing rule gives back, and the words they share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.schema import ColumnType

SHOWN = 10
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True)
class Verdict:
    """A type with the rule that gave it."""

    type: ColumnType
    rule: str
    why: str
    figures: dict[str, float] = field(default_factory=dict)
    disagreeing: list[str] = field(default_factory=list)
    disagreeing_count: int = 0


def name_words(name: str) -> set[str]:
    """Split a column name like "passengerId" or "row_id" into lower-case words."""
    return {part.lower() for part in _NAME_PARTS.findall(name)}


def most_frequent(odd: Mapping[str, int]) -> list[str]:
    """Give the values with most rows, as examples."""
    return sorted(odd, key=lambda value: (-odd[value], value))[:SHOWN]


def percent(share: float) -> str:
    """Write a share for a person."""
    return f"{100 * share:.4g} %"
