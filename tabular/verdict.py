"""The rules that turn the facts about a column into one of the eight types, each with its reason in figures.

Rules look at the shape of the values and of their distribution; a name only breaks ties (an integer column that is
called an id). They are tried in the order of `RULES`; the first that answers wins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from contracts.schema import ColumnType
from tabular.cells import BOOLEANS, EMAIL, URL
from tabular.numberrules import (
    CODE_SHARE,
    ENOUGH_ROWS,
    MOST_NAMED_LEVELS,
    level_numbers,
    number_codes,
    number_ids,
    numeric,
)
from tabular.rulebook import SHOWN, Verdict, most_frequent, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tabular.evidence import Evidence
    from tabular.imagecolumn import ImageTally

MOSTLY_DATES = 0.8
NEARLY_UNIQUE = 0.9
TEXT_WORDS = 2.5
PHRASE_WORDS = 1.5  # of common words; two capitalised ones are mostly a name
MOSTLY_LOWER = 0.5
TEXT_LENGTH = 30
LONG_TEXT_WORDS = 6
CODE_LENGTH = 4.5
_CODE = re.compile(r"(?=.*\d)[\w./\- #+:]+")


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


def _image(facts: Evidence, images: ImageTally) -> Verdict:
    named = images.named_share
    found = images.matched / max(1, facts.present)
    why = f"{percent(named)} of its values are names of image files"
    if images.looked_up:
        why = f"{images.matched:,} of {facts.present:,} values name an uploaded image ({percent(found)})"
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
    why = f"{percent(facts.parsed_share)} of its values are dates written as {facts.guess.moment}."
    if facts.guess.month_or_day:
        why += " No value shows whether the day or the month comes first."
    return Verdict(
        ColumnType.DATETIME,
        "dates",
        why,
        {"parsed_share": facts.parsed_share},
        most_frequent(facts.odd),
        facts.odd_rows,
    )


def _addresses(facts: Evidence) -> Verdict | None:
    share = facts.share(URL) + facts.share(EMAIL)
    if share < NEARLY_UNIQUE or facts.distinct_share < CODE_SHARE:
        return None
    why = f"{percent(share)} of its values are web or mail addresses, {facts.distinct:,} distinct."
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
    described = f"{facts.distinct:,} distinct among {facts.present:,} values ({percent(share)}), {words:.1f} words each"
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


RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    _empty_or_constant,
    _boolean,
    _datetime,
    number_codes,
    number_ids,
    level_numbers,
    numeric,
    _addresses,
    _strings,
)
