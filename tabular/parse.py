"""Turns columns of strings into values as a profile says: numbers, moments, truth values. All in polars expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from tabular.cells import BOOLEANS

if TYPE_CHECKING:
    from collections.abc import Collection

    from contracts.schema import NumberFormat

ISO = "iso8601"
_EARLIEST = pl.date(1000, 1, 1)  # polars reads "20" as the year 20 where four digits are meant
_SPACES = " \u00a0\u202f\u2009"
_ISO_PARTS = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)(?:[Tt ]\s*(?P<clock>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2})?(?P<fraction>[.,][0-9]{1,9})?"
    r"\s?(?:[Zz]|UTC|GMT|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?)?)?$"
)


def is_missing(series: pl.Series, missing_tokens: Collection[str] = ()) -> pl.Series:
    """Tell for every row whether it is null, blank or one of the tokens (exact, after stripping blanks)."""
    stripped = series.str.strip_chars()
    return stripped.is_null() | (stripped == "") | stripped.is_in(list(missing_tokens))


def parse_numeric(
    series: pl.Series, number_format: NumberFormat | None = None, missing_tokens: Collection[str] = ()
) -> pl.Series:
    """Parse strings as 64-bit floats; missing and unparsable values become null.

    Args:
        series: Strings.
        number_format: Decimal mark, thousands separator, prefix and suffix; plain numbers if None.
        missing_tokens: Tokens that mean "no value", so that e.g. "nan" or "inf" is not a number here.
    """
    frame = pl.DataFrame({"value": series})
    return (
        frame.select(numeric(pl.col("value"), number_format, missing_tokens)).to_series().rename(series.name)
    )


def numeric(
    value: pl.Expr, number_format: NumberFormat | None, missing_tokens: Collection[str] = ()
) -> pl.Expr:
    """Give the expression behind `parse_numeric`."""
    text = value.str.strip_chars()
    plain = number_format is None or (
        number_format.decimal == "."
        and number_format.thousands is None
        and not number_format.prefix
        and not number_format.suffix
    )
    text = _negative(text) if plain or number_format is None else _plain_number(text, number_format)
    number = text.cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite()).then(number)
    if missing_tokens:
        number = pl.when(~value.str.strip_chars().is_in(list(missing_tokens))).then(number)
    return number


def _negative(text: pl.Expr) -> pl.Expr:
    """Accountants write -5 as (5)."""
    return text.str.replace("(", "-", literal=True).str.strip_suffix(")")


def _plain_number(text: pl.Expr, form: NumberFormat) -> pl.Expr:
    prefix, suffix = form.prefix.strip(), form.suffix.strip()
    if prefix:
        text = text.str.replace(prefix, "", literal=True).str.replace(r"^([-+(]?)\s+", "${1}")
    if suffix:
        text = text.str.strip_suffix(suffix).str.strip_chars_end()
    text = _negative(text)
    if form.thousands:
        marks = list(_SPACES) if form.thousands.isspace() else [form.thousands]
        allowed = re.escape("".join(marks))
        valid = text.str.contains(
            rf"^[-+]?(?:[0-9]+|[0-9]{{1,3}}(?:[{allowed}][0-9]{{3}})+)(?:{re.escape(form.decimal)}[0-9]*)?$"
        )
        for mark in marks:
            text = text.str.replace_all(mark, "", literal=True)
        text = pl.when(valid).then(text)
    if form.decimal != ".":
        dotted = text.str.contains(".", literal=True)  # a dot is no decimal mark here
        text = pl.when(~dotted).then(text.str.replace(form.decimal, ".", literal=True))
    return text


def parse_datetime(series: pl.Series, fmt: str) -> pl.Series:
    """Parse strings as naive UTC datetimes in microseconds; what does not parse becomes null.

    Args:
        series: Strings.
        fmt: A strptime format, or "iso8601": date, optionally time, fraction and zone.
    """
    frame = pl.DataFrame({"value": series})
    return frame.select(moment(pl.col("value"), fmt)).to_series().rename(series.name)


def moment(value: pl.Expr, fmt: str) -> pl.Expr:
    """Give the expression behind `parse_datetime`."""
    text = value.str.strip_chars()
    if fmt != ISO:
        return _with_format(text, fmt)
    part = text.str.extract_groups(_ISO_PARTS).struct
    day = part.field("day")
    whole_day = pl.when(day.str.len_bytes() == len("2020-01")).then(day + "-01").otherwise(day)
    clock = part.field("clock").fill_null("00:00") + part.field("second").fill_null(":00")
    instant = (whole_day + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    fraction = (
        part.field("fraction")
        .str.replace(",", ".", literal=True)
        .cast(pl.Float64, strict=False)
        .fill_null(0.0)
    )
    zone = part.field("hours").cast(pl.Int64, strict=False).fill_null(0) * 60
    zone += part.field("minutes").cast(pl.Int64, strict=False).fill_null(0)
    offset = pl.when(part.field("sign") == "-").then(-zone).otherwise(zone)
    micros = (fraction * 1_000_000).round().cast(pl.Int64) - offset * 60_000_000
    return instant + pl.duration(microseconds=micros, time_unit="us")


def _with_format(text: pl.Expr, fmt: str) -> pl.Expr:
    if "%z" in fmt or "%#z" in fmt:
        parsed = text.str.to_datetime(
            fmt, strict=False, time_unit="us", time_zone="UTC"
        ).dt.replace_time_zone(None)
    elif any(mark in fmt for mark in ("%H", "%I")):
        parsed = text.str.to_datetime(fmt, strict=False, time_unit="us")
    else:
        parsed = text.str.to_date(fmt, strict=False).cast(pl.Datetime("us"))
    return pl.when(parsed >= _EARLIEST).then(parsed) if "%Y" in fmt else parsed


def parse_boolean(series: pl.Series) -> pl.Series:
    """Parse yes/no words of several languages and 1/0, in any case; other values become null."""
    frame = pl.DataFrame({"value": series})
    words = {**BOOLEANS, "1": True, "0": False, "1.0": True, "0.0": False}
    text = pl.col("value").str.strip_chars().str.to_lowercase()
    parsed = text.replace_strict(list(words), list(words.values()), default=None, return_dtype=pl.Boolean)
    return frame.select(parsed).to_series().rename(series.name)
