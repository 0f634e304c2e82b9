"""From a column of raw strings to its clean values; one way for training, for prediction and for the checks before both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.schema import ColumnType
from tabular.parse import ISO, is_missing, parse_datetime, parse_numeric

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from contracts.schema import NumberFormat


def typed(
    values: pl.Series,
    kind: ColumnType,
    *,
    number_format: NumberFormat | None = None,
    datetime_format: str | None = None,
    missing_tokens: Sequence[str] = (),
) -> pl.Series:
    """Give the values of a column by its type.

    Args:
        values: Raw strings.
        kind: What the column is.
        number_format: How a numeric column writes its numbers.
        datetime_format: How a datetime column writes its moments; ISO 8601 if None.
        missing_tokens: Non-blank strings that mean "no value".

    Returns:
        Numeric as Float64, datetime as Datetime, image as the cell stands, the others as clean strings. Null is missing:
        a blank, a token, a value that cannot be read as the type.
    """
    values = present(values, missing_tokens)
    if kind is ColumnType.NUMERIC:
        return parse_numeric(values, number_format)
    if kind is ColumnType.DATETIME:
        return parse_datetime(values, datetime_format or ISO)
    return values if kind is ColumnType.IMAGE else clean_text(values)


def clean_text(values: pl.Series) -> pl.Series:
    """Normalise to NFKC, turn control characters into spaces, and make every run of white space one space."""
    return values.str.normalize("NFKC").str.replace_all(r"[\p{Cc}\s]+", " ").str.strip_chars()


def present(values: pl.Series, missing_tokens: Sequence[str] = ()) -> pl.Series:
    """Put null where a value is missing."""
    return values.set(is_missing(values, missing_tokens), None)
