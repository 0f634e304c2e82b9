"""From a table of raw strings to typed, clean columns; the same for training and for prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnType
from tabular.images import ImageIndex
from tabular.parse import is_missing, parse_datetime, parse_numeric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.columns import Column
    from trainer.inputs import ImageFolder


def clean(frame: pl.DataFrame, columns: Sequence[Column], images: ImageFolder | None) -> pl.DataFrame:
    """Type the features of a table.

    Args:
        frame: Raw strings; must hold every column.
        columns: The features.
        images: Where image columns find their files.

    Returns:
        The features alone, in order: numeric as Float64, datetime as Datetime, image as the list of the paths in its
        folder that the cell names, the others as strings. Null is missing: a blank, a missing-value token, a value that
        cannot be read as its type, a cell of which no image has a file.
    """
    index = images.index if images else ImageIndex([])
    return pl.DataFrame([_clean(frame[column.name], column, index) for column in columns])


def clean_text(values: pl.Series) -> pl.Series:
    """Normalise to NFKC, turn control characters into spaces, and make every run of white space one space."""
    return values.str.normalize("NFKC").str.replace_all(r"[\p{Cc}\s]+", " ").str.strip_chars()


def present(values: pl.Series, missing_tokens: Sequence[str]) -> pl.Series:
    """Put null where a value is missing."""
    return values.set(is_missing(values, missing_tokens), None)


def _clean(values: pl.Series, column: Column, index: ImageIndex) -> pl.Series:
    values = present(values, column.missing_tokens)
    if column.type is ColumnType.NUMERIC:
        return parse_numeric(values, column.number_format)
    if column.type is ColumnType.DATETIME:
        return parse_datetime(values, column.datetime_format or "iso8601")
    if column.type is ColumnType.IMAGE:
        return _match(values, index)
    return clean_text(values)


def _match(values: pl.Series, index: ImageIndex) -> pl.Series:
    """Give the files each cell names."""
    paths: dict[str | None, list[str] | None] = {None: None}
    for cell in values.drop_nulls().unique():
        found, _ = index.match_all(cell)
        paths[cell] = [match.path for match in found] or None
    return pl.Series(values.name, [paths[cell] for cell in values], dtype=pl.List(pl.String))
