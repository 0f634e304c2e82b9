"""Decides which values of a column mean that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabular.cells import MISSING_TOKENS, SYMBOL_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS_THAT_MAY_BE_LEVELS = {"none", "nil", "missing"}
_PLACEHOLDERS = {"-", "--", "---", "–", "—", "?", "??", ".", "..", "..."}
_SYMBOLS_RARE_ENOUGH = 0.5


def tokens_out_of_type(odd: Mapping[str, float]) -> list[str]:
    """Give the tokens among the values of a numeric or datetime column that do not parse: there all of them count."""
    return [value for value in odd if value.lower() in MISSING_TOKENS or value.lower() in SYMBOL_TOKENS]


def tokens_among_strings(counted: Mapping[str, float]) -> list[str]:
    """Give the tokens of a column of strings, where context decides.

    "NA" among other two-letter capitals is a code, "none" may be a level, and "-" is missing only where the other
    values have letters or digits.

    Args:
        counted: Stripped values that are not blank, with their rows.
    """
    present = [value for value in counted if value.lower() in MISSING_TOKENS | SYMBOL_TOKENS]
    if not present or len(present) == len(counted):
        return present if any(value.lower() in MISSING_TOKENS for value in present) else []
    others = [value for value in counted if value not in present]
    total = sum(counted.values())
    tokens = []
    for value in present:
        lowered = value.lower()
        if lowered in MISSING_TOKENS:
            fits = value.isalpha() and _same_shape(value, others)
            missing = not fits and lowered not in _WORDS_THAT_MAY_BE_LEVELS
        else:
            worded = all(any(character.isalnum() for character in other) for other in others)
            missing = value in _PLACEHOLDERS and worded and counted[value] < _SYMBOLS_RARE_ENOUGH * total
        if missing:
            tokens.append(value)
    return tokens


def _same_shape(value: str, others: list[str]) -> bool:
    alike = sum(
        len(other) == len(value) and other.isalpha() and other.isupper() == value.isupper()
        for other in others
    )
    return alike > 0.8 * len(others)
