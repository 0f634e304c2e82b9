"""The rules that turn the facts about a column into one of the eight types, each with its reason in figures.

Rules look at the shape of the values and of their distribution; a name only breaks ties (an integer column that is
called an id). They are tried in the order of `RULES`; the first that answers wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.schema import ColumnType
from tabular.cells import BOOLEANS, EMAIL, URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tabular.evidence import Evidence
    from tabular.imagecolumn import ImageTally

MOSTLY_NUMBERS = 0.9
MOSTLY_DATES = 0.8
IMAGES = 0.8
UNIQUE = 0.98
UNIQUE_ESTIMATE = 0.95  # the estimate is about 1 % off
NEARLY_UNIQUE = 0.9
DENSE = 0.9
ENOUGH_ROWS = 8
MOST_LEVELS = 12
MOST_NAMED_LEVELS = 30
THINNEST_LEVEL = 0.25
ROWS_A_LEVEL = 5
TEXT_WORDS = 2.5
PHRASE_WORDS = 1.5  # of common words; two capitalised ones are mostly a name
MOSTLY_LOWER = 0.5
TEXT_LENGTH = 30
LONG_TEXT_WORDS = 6
CODE_LENGTH = 4.5
CODE_SHARE = 0.7
LONG_CODE = 9
SHOWN = 10
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
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
_CODE = re.compile(r"(?=.*\d)[\w./\- #+:]+")


@dataclass(frozen=True)
class Verdict:
    """A type with the rule that gave it."""

    type: ColumnType
    rule: str
    why: str
    figures: dict[str, float] = field(default_factory=dict)
    disagreeing: list[str] = field(default_factory=list)
    disagreeing_count: int = 0


def decide(facts: Evidence, images: ImageTally | None = None) -> Verdict:
    """Give the verdict of the first rule that answers.

    Args:
        facts: What is known about the column.
        images: How its values found uploaded files, where they may name images.
    """
    if images is not None:
        return _image(facts, images)
    for rule in RULES:
        verdict = rule(facts)
        if verdict is not None:
            return verdict
    raise AssertionError("the last rule answers always")


def name_words(name: str) -> set[str]:
    """Split a column name like "passengerId" or "row_id" into lower-case words."""
    return {part.lower() for part in _NAME_PARTS.findall(name)}


def _image(facts: Evidence, images: ImageTally) -> Verdict:
    named = images.named_share
    found = images.matched / max(1, facts.present)
    why = f"{_percent(named)} of its values are names of image files"
    if images.looked_up:
        why = f"{images.matched:,} of {facts.present:,} values name an uploaded image ({_percent(found)})"
    return Verdict(
        ColumnType.IMAGE, "image-files", why + ".", {"named_share": named, "found_share": found},
        images.missing_examples[:SHOWN], images.missing,
    )  # fmt: skip


def _empty_or_constant(facts: Evidence) -> Verdict | None:
    if facts.present == 0:
        return Verdict(ColumnType.CONSTANT, "no-values", "It holds no value at all.", {"distinct": 0})
    if facts.distinct > 1:
        return None
    value = next(iter(facts.strings), "")
    why = f"All {facts.present:,} values are the same, {value[:40]!r}."
    return Verdict(ColumnType.CONSTANT, "one-value", why, {"distinct": 1, "missing": facts.missing})


def _boolean(facts: Evidence) -> Verdict | None:
    if facts.distinct != 2 or not facts.exact:  # noqa: PLR2004  true and false
        return None
    words = sorted(facts.strings)
    truths = {BOOLEANS.get(word.lower()) for word in words}
    if truths == {True, False}:
        return Verdict(
            ColumnType.BOOLEAN,
            "truth-words",
            f"Its only values are {words[0]!r} and {words[1]!r}.",
            {"distinct": 2},
        )
    if {_canonical(word) for word in words} == {"0", "1"}:
        return Verdict(ColumnType.BOOLEAN, "zero-one", "Its only values are 0 and 1.", {"distinct": 2})
    return None


def _canonical(word: str) -> str:
    return word.removesuffix(".0")


def _datetime(facts: Evidence) -> Verdict | None:
    if facts.guess.moment is None or facts.parsed_share < MOSTLY_DATES:
        return None
    why = f"{_percent(facts.parsed_share)} of its values are dates written as {facts.guess.moment}."
    if facts.guess.month_or_day:
        why += " No value shows whether the day or the month comes first."
    return Verdict(
        ColumnType.DATETIME,
        "dates",
        why,
        {"parsed_share": facts.parsed_share},
        _most_frequent(facts.odd),
        facts.odd_rows,
    )


def _number_codes(facts: Evidence) -> Verdict | None:
    """Numbers that are names: with leading zeros, or behind a plus sign as phone codes."""
    if not _all_integers(facts) or (facts.guess.number is not None and facts.guess.number.suffix):
        return None
    zeros, plus = facts.leading_zeros, facts.plus_signs
    if zeros > 0:
        reason = f"{_percent(zeros)} of its numbers have leading zeros, so they are codes"
        return _code(facts, "leading-zeros", reason, {"leading_zeros": zeros})
    if plus > MOSTLY_NUMBERS:
        reason = f"{_percent(plus)} of its numbers stand behind a plus sign, as phone codes do"
        return _code(facts, "plus-signs", reason, {"plus_signs": plus})
    return None


def _number_ids(facts: Evidence) -> Verdict | None:
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
        why = f"{_percent(facts.distinct_share)} of its integers are distinct and its name says it identifies rows."
    elif len(lengths) == 1 and min(lengths) >= LONG_CODE and low > 0:
        rule = "fixed-length-integers"
        why = (
            f"Its integers are distinct and all of {min(lengths)} digits, as serial or telephone numbers are."
        )
    else:
        return None
    return Verdict(ColumnType.IDENTIFIER, rule, why, figures)


def _unique(facts: Evidence) -> float:
    return UNIQUE if facts.exact else UNIQUE_ESTIMATE


def _all_integers(facts: Evidence) -> bool:
    number = facts.guess.number
    return number is not None and facts.parsed_share >= MOSTLY_NUMBERS and facts.whole == facts.parsed


def _code(facts: Evidence, rule: str, reason: str, figures: dict[str, float]) -> Verdict:
    repeated = facts.distinct_share < CODE_SHARE
    kind = ColumnType.CATEGORICAL if repeated else ColumnType.IDENTIFIER
    figures = {**figures, "distinct_share": facts.distinct_share}
    return Verdict(
        kind,
        rule,
        f"{reason}; {facts.distinct:,} are distinct.",
        figures,
        _most_frequent(facts.odd),
        facts.odd_rows,
    )


def _level_numbers(facts: Evidence) -> Verdict | None:
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


def _numeric(facts: Evidence) -> Verdict | None:
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
    why = f"{_percent(facts.parsed_share)} of its values are numbers{written}, {facts.distinct:,} distinct."
    figures = {"parsed_share": facts.parsed_share, "distinct": facts.distinct}
    return Verdict(ColumnType.NUMERIC, rule, why, figures, _most_frequent(facts.odd), facts.odd_rows)


def _addresses(facts: Evidence) -> Verdict | None:
    share = facts.share(URL) + facts.share(EMAIL)
    if share < NEARLY_UNIQUE or facts.distinct_share < CODE_SHARE:
        return None
    why = f"{_percent(share)} of its values are web or mail addresses, {facts.distinct:,} distinct."
    return Verdict(
        ColumnType.IDENTIFIER,
        "addresses",
        why,
        {"address_share": share, "distinct_share": facts.distinct_share},
    )


def _strings(facts: Evidence) -> Verdict:
    words, length, share = facts.mean_words, facts.mean_length, facts.distinct_share
    figures = {
        "distinct": facts.distinct,
        "distinct_share": share,
        "mean_words": words,
        "mean_length": length,
    }
    described = f"{facts.distinct:,} distinct among {facts.present:,} values ({_percent(share)}), {words:.1f} words each"
    wordy = words >= (PHRASE_WORDS if facts.lower_case_words > MOSTLY_LOWER else TEXT_WORDS) or (
        length >= TEXT_LENGTH and words >= 1
    )
    if wordy and (share > 0.3 or (words >= LONG_TEXT_WORDS and facts.distinct > MOST_NAMED_LEVELS)):  # noqa: PLR2004
        return Verdict(ColumnType.TEXT, "many-words", f"Free text: {described}.", figures)
    codes = facts.share(_CODE)
    if facts.present >= ENOUGH_ROWS:
        figures["code_share"] = codes
        if share >= NEARLY_UNIQUE:
            return Verdict(
                ColumnType.IDENTIFIER, "nearly-all-distinct", f"Hardly a value repeats: {described}.", figures
            )
        if codes > CODE_SHARE and share >= CODE_SHARE and length >= CODE_LENGTH:
            why = f"Codes of {length:.1f} characters that mostly differ: {described}."
            return Verdict(ColumnType.IDENTIFIER, "mostly-distinct-codes", why, figures)
        if share > 0.5 and words >= 1.5:  # noqa: PLR2004  several words, most of them new: neither levels nor ids
            return Verdict(
                ColumnType.TEXT, "short-phrases", f"Short texts that seldom repeat: {described}.", figures
            )
    return Verdict(ColumnType.CATEGORICAL, "repeated-values", f"Values that repeat: {described}.", figures)


def _most_frequent(odd: Mapping[str, int]) -> list[str]:
    return sorted(odd, key=lambda value: (-odd[value], value))[:SHOWN]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    _empty_or_constant,
    _boolean,
    _datetime,
    _number_codes,
    _number_ids,
    _level_numbers,
    _numeric,
    _addresses,
    _strings,
)
