"""The typing rules for columns of numbers: codes, identifiers, levels, and quantities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.schema import ColumnType
from tabular.rulebook import Verdict, most_frequent, name_words, percent

if TYPE_CHECKING:
    from tabular.evidence import Evidence

MOSTLY_NUMBERS = 0.9
UNIQUE = 0.98
UNIQUE_ESTIMATE = 0.95  # the estimate is about 1 % off
DENSE = 0.9
ENOUGH_ROWS = 8
MOST_LEVELS = 12
MOST_NAMED_LEVELS = 30
THINNEST_LEVEL = 0.25
ROWS_A_LEVEL = 5
CODE_SHARE = 0.7
LONG_CODE = 9
_ID_NAMES = {
    "id",
    "ids",
    "uuid",
    "guid",
    "key",
    "index",
    "idx",
    "rowid",
    "identifier",
    "serial",
    "oid",
    "pk",
    "uid",
}
_LEVEL_NAMES = {
    "class",
    "label",
    "target",
    "category",
    "type",
    "code",
    "grade",
    "level",
    "group",
    "cluster",
    "kind",
}


def number_codes(facts: Evidence) -> Verdict | None:
    """Numbers that are names: with leading zeros, or behind a plus sign as phone codes."""
    if not _all_integers(facts) or (facts.guess.number is not None and facts.guess.number.suffix):
        return None
    zeros, plus = facts.leading_zeros, facts.plus_signs
    if zeros > 0:
        reason = f"{percent(zeros)} of its numbers have leading zeros, so they are codes"
        return _code(facts, "leading-zeros", reason, {"leading_zeros": zeros})
    if plus > MOSTLY_NUMBERS:
        reason = f"{percent(plus)} of its numbers stand behind a plus sign, as phone codes do"
        return _code(facts, "plus-signs", reason, {"plus_signs": plus})
    return None


def number_ids(facts: Evidence) -> Verdict | None:
    """Distinct integers that number the rows, are called ids, or are long and all of one length."""
    digits_only = all(value.lstrip("+-").isdigit() for value in facts.strings)
    if (
        not _all_integers(facts)
        or not digits_only
        or facts.distinct_share < UNIQUE
        or facts.present < ENOUGH_ROWS
    ):
        return None
    low, high = facts.low, facts.high
    if not isinstance(low, float) or not isinstance(high, float):
        return None
    density = facts.distinct / (high - low + 1)
    figures = {"distinct_share": facts.distinct_share, "density": density}
    lengths = {len(value) for value in facts.strings}
    if density > DENSE and facts.missing == 0 and low in {0, 1}:
        rule = "row-numbers"
        why = f"Its integers run from {low:.0f} to {high:.0f} with hardly a gap or repeat: they number the rows."
    elif name_words(facts.name) & _ID_NAMES:
        rule = "named-unique-integers"
        why = f"{percent(facts.distinct_share)} of its integers are distinct and its name says it identifies rows."
    elif len(lengths) == 1 and min(lengths) >= LONG_CODE and low > 0:
        rule = "fixed-length-integers"
        why = (
            f"Its integers are distinct and all of {min(lengths)} digits, as serial or telephone numbers are."
        )
    else:
        return None
    return Verdict(ColumnType.IDENTIFIER, rule, why, figures)


def level_numbers(facts: Evidence) -> Verdict | None:
    """Few integers without gap from 0 or 1, none of them rare: labels. Counts thin out into a tail instead."""
    if (
        facts.guess.number is None
        or not facts.exact
        or facts.parsed < facts.present
        or facts.whole < facts.parsed
    ):
        return None
    number = facts.guess.number
    if number.prefix or number.suffix or number.thousands or any("." in value for value in facts.strings):
        return None
    limit = MOST_NAMED_LEVELS if name_words(facts.name) & _LEVEL_NAMES else MOST_LEVELS
    levels = facts.distinct
    if not 2 <= levels <= limit or facts.present < ROWS_A_LEVEL * levels:  # noqa: PLR2004  one level is a constant
        return None
    low, high = float(str(facts.low)), float(str(facts.high))
    thinnest = min(facts.strings.values()) * levels / facts.present
    if low not in {0.0, 1.0} or high - low + 1 != levels or thinnest < THINNEST_LEVEL:
        return None
    why = (
        f"Its {levels} values are the integers {low:.0f} to {high:.0f} without gap, and the rarest is at "
        f"{thinnest:.2f} of an even share: labels rather than counts, which thin out."
    )
    return Verdict(
        ColumnType.CATEGORICAL, "even-integer-levels", why, {"distinct": levels, "rarest_share": thinnest}
    )


def numeric(facts: Evidence) -> Verdict | None:
    """Quantities, in whatever way they are written."""
    if facts.guess.number is None or facts.parsed_share < MOSTLY_NUMBERS:
        return None
    form = facts.guess.number
    rule = "integers" if facts.whole == facts.parsed else "numbers-with-decimals"
    notes = [f"decimal mark {form.decimal!r}"] if form.decimal != "." else []
    notes += [f"thousands separator {form.thousands!r}"] if form.thousands else []
    notes += [f"unit {affix!r}" for affix in (form.prefix, form.suffix) if affix]
    if notes:
        rule = "formatted-numbers"
    written = f" ({', '.join(notes)})" if notes else ""
    why = f"{percent(facts.parsed_share)} of its values are numbers{written}, {facts.distinct:,} distinct."
    figures = {"parsed_share": facts.parsed_share, "distinct": facts.distinct}
    return Verdict(ColumnType.NUMERIC, rule, why, figures, most_frequent(facts.odd), facts.odd_rows)


def _code(facts: Evidence, rule: str, reason: str, figures: dict[str, float]) -> Verdict:
    repeated = facts.distinct_share < CODE_SHARE
    kind = ColumnType.CATEGORICAL if repeated else ColumnType.IDENTIFIER
    figures = {**figures, "distinct_share": facts.distinct_share}
    return Verdict(
        kind,
        rule,
        f"{reason}; {facts.distinct:,} are distinct.",
        figures,
        most_frequent(facts.odd),
        facts.odd_rows,
    )


def _all_integers(facts: Evidence) -> bool:
    number = facts.guess.number
    return number is not None and facts.parsed_share >= MOSTLY_NUMBERS and facts.whole == facts.parsed


def _unique(facts: Evidence) -> float:
    return UNIQUE if facts.exact else UNIQUE_ESTIMATE
