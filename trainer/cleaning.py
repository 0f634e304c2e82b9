"""From a table of raw strings to typed, clean columns; the same for training and for prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnType
from tabular.cleaning import typed
from tabular.images import ImageIndex

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


def _clean(values: pl.Series, column: Column, index: ImageIndex) -> pl.Series:
    values = typed(
        values,
        column.type,
        number_format=column.number_format,
        datetime_format=column.datetime_format,
        missing_tokens=column.missing_tokens,
    )
    return _match(values, index) if column.type is ColumnType.IMAGE else values


def _match(values: pl.Series, index: ImageIndex) -> pl.Series:
    """Give the files each cell names."""
    paths: dict[str | None, list[str] | None] = {None: None}
    for cell in values.drop_nulls().unique():
        found, _ = index.match_all(cell)
        paths[cell] = [match.path for match in found] or None
    return pl.Series(values.name, [paths[cell] for cell in values], dtype=pl.List(pl.String))
