"""Guesses from sample values how a column writes its numbers or its dates."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import NumberFormat
from tabular.cells import DATE, MISSING_TOKENS, SYMBOL_TOKENS
from tabular.parse import ISO, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_VALUES = 1000
MOSTLY = 0.9
DATES_SHARE = 0.8
_CURRENCIES = r"[$€£¥₹₽₺₩₪฿]|(?:US|A|C|R|HK|NZ)\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|kr\.?|zł|Rs\.?"
_AFFIXED = re.compile(
    rf"(?P<sign>[-+(]?)\s?(?P<prefix>{_CURRENCIES}|[~≈<>]=?)?\s?(?P<body>[-+]?(?:\d|[.,]\d)[\d.,'’\u00a0\u202f\u2009 ]*?(?:[eE][-+]?\d{{1,3}})?)"
    r"\)?\s?(?P<suffix>[^\d\s.,'()+\-/:#&][^\d(),:]{0,11}|\+)?"
)
_BODY = re.compile(r"[-+]?(?P<digits>[\d.,'’\u00a0\u202f\u2009 ]+?)(?:[eE][-+]?\d{1,3})?")
# In order of preference where values fit several: "1,234" is grouped thousands, "1.234" has decimals.
_STYLES = (
    (".", None),
    (".", ","),
    (",", None),
    (",", "."),
    (".", " "),
    (",", " "),
    (".", "'"),
    (",", "'"),
    (".", "’"),
)
_LEADING_ZERO = re.compile(r"0\d+")
_TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S%.f",
    "T%H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %I:%M %p",
    " %H:%M:%S%#z",
)
_DAYS = tuple(
    order.replace("-", mark)
    for order, mark in product(
        ("%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%d", "%Y-%d-%m", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d"), "/.-"
    )
)
_NAMED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d. %B %Y", "%d/%b/%Y", "%a, %d %b %Y")  # fmt: skip
_COMPACT = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True)
class Guess:
    """How a column is to be parsed; a column of strings has neither format."""

    number: NumberFormat | None = None
    moment: str | None = None
    month_or_day: bool = False


def guess(counted: Mapping[str, float]) -> Guess:
    """Guess the format that most rows fit.

    Args:
        counted: Stripped values that are not blank, with their rows.
    """
    values = {value: rows for value, rows in counted.items() if not is_token(value)}
    if not values:
        return Guess()
    if len(values) > MOST_VALUES:
        stride = len(values) / MOST_VALUES
        keys = sorted(values)
        values = {
            keys[int(index * stride)]: values[keys[int(index * stride)]] for index in range(MOST_VALUES)
        }
    moment = guess_datetime(values)
    if moment is not None:
        return moment
    return Guess(number=guess_number(values))


def is_token(value: str) -> bool:
    """Tell whether a value is commonly written for a missing one."""
    lowered = value.lower()
    return lowered in MISSING_TOKENS or lowered in SYMBOL_TOKENS


def guess_number(values: Mapping[str, float]) -> NumberFormat | None:
    """Give the way of writing numbers that at least 90 % of the rows fit, or None."""
    total = sum(values.values())
    bodies: Counter[str] = Counter()
    prefixes: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for value, rows in values.items():
        found = _AFFIXED.fullmatch(value)
        if found is None:
            continue
        prefixes[(found["prefix"] or "").strip()] += rows  # type: ignore[assignment]  # rows may be scaled floats
        suffixes[(found["suffix"] or "").strip()] += rows  # type: ignore[assignment]
        bodies[found["body"].strip()] += rows  # type: ignore[assignment]
    if bodies.total() < MOSTLY * total:
        return None
    prefix, suffix = _one_affix(prefixes), _one_affix(suffixes)
    if prefix is None or suffix is None:
        return None
    style = _best_style(bodies, total)
    if style is None:
        return None
    return NumberFormat(decimal=style[0], thousands=style[1], prefix=prefix, suffix=suffix)


def _one_affix(affixes: Counter[str]) -> str | None:
    """Give the affix nearly all values share ('' is allowed beside it); None if there are several."""
    named = Counter({affix: rows for affix, rows in affixes.items() if affix})
    if not named:
        return ""
    affix, rows = named.most_common(1)[0]
    shared = rows >= MOSTLY * named.total()
    # A sign like "$" or "%" may stand on few values ("0" beside "$4.99"); letters must be on most to be a unit.
    if shared and (rows >= affixes.total() / 2 or not any(character.isalnum() for character in affix)):
        return affix
    return "" if named.total() < (1 - MOSTLY) * affixes.total() else None


def _best_style(bodies: Mapping[str, float], total: float) -> tuple[str, str | None] | None:
    best, best_rows = None, MOSTLY * total
    for decimal, thousands in _STYLES:
        pattern = _style_pattern(decimal, thousands)
        rows = sum(rows for body, rows in bodies.items() if pattern.fullmatch(body))
        if rows > best_rows or (best is None and rows >= best_rows):
            best, best_rows = (decimal, thousands), rows
    return best


def _style_pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    mark = re.escape(decimal)
    whole = r"\d+"
    if thousands is not None:
        gap = r"[ \u00a0\u202f\u2009]" if thousands == " " else re.escape(thousands)
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{gap}\d{{3}})+)"
    return re.compile(rf"[-+]?(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][-+]?\d{{1,3}})?")


def guess_datetime(values: Mapping[str, float]) -> Guess | None:
    """Give the date format that most rows fit, or None; month_or_day says that both orders fit equally well."""
    total = sum(values.values())
    alike = sum(rows for value, rows in values.items() if DATE.fullmatch(value))
    compact = all(_COMPACT.fullmatch(value) for value in values)
    if compact and len(values) > 5:  # noqa: PLR2004  fewer eight-digit numbers may look like dates by chance
        return Guess(moment="%Y%m%d")
    if alike < DATES_SHARE * total:
        return None
    series = pl.Series("value", list(values), dtype=pl.String)
    weights = list(values.values())
    best, best_rows, ties = None, 0.0, []
    for form in _datetime_formats(max(values, key=len)):
        parsed = parse_datetime(series, form).is_not_null().to_list()
        rows = sum(weight for weight, fits in zip(weights, parsed, strict=True) if fits)
        if rows > best_rows:
            best, best_rows, ties = form, rows, [form]
        elif rows == best_rows and rows:
            ties.append(form)
    if best is None or best_rows < DATES_SHARE * total:
        return None
    swapped = _swapped(best) != best and _swapped(best) in ties
    return Guess(moment=best, month_or_day=swapped)


def _swapped(form: str) -> str:
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _datetime_formats(example: str) -> Iterator[str]:
    letters = re.search(r"[^\W\d_]{3,}", example)
    clock = ":" in example
    year = "%Y" if re.search(r"\d{4}", example) else "%y"
    for day in _NAMED if letters else _DAYS:
        if year not in day:
            continue
        for time in _TIMES if clock else _TIMES[:1]:
            yield day + time
    yield ISO  # last: it is slower to parse, and fits where zones, fractions or bare dates are mixed
