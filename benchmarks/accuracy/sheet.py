"""From a table of raw strings to typed columns and image features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.accuracy import pictures
from contracts.schema import ColumnType, Dialect, NumberFormat
from tabular.images import ImageIndex
from tabular.parse import is_missing, parse_datetime, parse_numeric
from tabular.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Cells:
    """How one column's cells are read."""

    kind: ColumnType
    number_format: NumberFormat | None
    datetime_format: str
    missing_tokens: list[str]


@dataclass(frozen=True)
class Sheet:
    """Rows ready for the transformers."""

    table: pd.DataFrame
    images: dict[
        str, dict[str, NDArray[np.float32]]
    ]  # column: kind of feature: shape (n, d); NaN where missing


class Reader:
    """Reads raw strings into a ``Sheet``; what it knows of the formats comes from the rows that are fitted on."""

    def __init__(self, fit_table: Path, types: Mapping[str, ColumnType], images: Path | None) -> None:
        profile = profile_table(fit_table, dialect=Dialect(encoding="utf-8"))
        self._images = images
        self._cells = {}
        for name, kind in types.items():
            column = profile.column(name)
            self._cells[name] = Cells(
                kind, column.number_format, column.datetime_format or "iso8601", column.missing_tokens
            )
        self.numeric: list[str] = []
        self.category: list[str] = []
        self.text: list[str] = []

    def read(self, raw: pl.DataFrame) -> Sheet:
        """Type every feature; a date becomes its parts, a text also a few counts."""
        self.numeric, self.category, self.text = [], [], []
        table: dict[str, Any] = {}
        images = {}
        for name, cells in self._cells.items():
            values = raw[name].set(is_missing(raw[name], cells.missing_tokens), None)
            if cells.kind is ColumnType.IMAGE:
                images[name] = self._pictures(values)
            elif cells.kind is ColumnType.NUMERIC:
                table[name] = parse_numeric(values, cells.number_format).to_numpy()
                self.numeric.append(name)
            elif cells.kind is ColumnType.DATETIME:
                self._date(name, parse_datetime(values, cells.datetime_format), table)
            elif cells.kind is ColumnType.TEXT:
                self._text(name, values.fill_null(""), table)
            else:
                table[name] = values.fill_null("").to_list()
                self.category.append(name)
        return Sheet(pd.DataFrame(table, index=range(raw.height)), images)

    def _date(self, name: str, dates: pl.Series, table: dict[str, Any]) -> None:
        parts = {
            "day": dates.dt.day(),
            "month": dates.dt.month(),
            "weekday": dates.dt.weekday(),
            "hour": dates.dt.hour(),
            "year": dates.dt.year(),
            "elapsed": dates.dt.epoch("s") / 86_400,
        }
        for part, values in parts.items():
            table[f"{name} {part}"] = values.cast(pl.Float64).to_numpy()
            self.numeric.append(f"{name} {part}")
        for part, form in (("that month", "%Y-%m"), ("that day", "%Y-%m-%d")):
            table[f"{name} {part}"] = dates.dt.strftime(form).fill_null("").to_list()
            self.category.append(f"{name} {part}")

    def _text(self, name: str, texts: pl.Series, table: dict[str, Any]) -> None:
        table[name] = texts.to_list()
        self.text.append(name)
        counts = {
            "characters": texts.str.len_chars(),
            "words": texts.str.count_matches(r"\S+"),
            "digits": texts.str.count_matches(r"\d"),
            "capitals": texts.str.count_matches(r"\p{Lu}"),
            "signs": texts.str.count_matches(r"[^\w\s]"),
        }
        for part, values in counts.items():
            table[f"{name} {part}"] = values.cast(pl.Float64).to_numpy()
            self.numeric.append(f"{name} {part}")

    def _pictures(self, values: pl.Series) -> dict[str, NDArray[np.float32]]:
        assert self._images is not None
        files = [
            path.relative_to(self._images).as_posix() for path in self._images.rglob("*") if path.is_file()
        ]
        index = ImageIndex(files)
        matches = [index.match(value) if value else None for value in values]
        read = pictures.read_pictures([match.path if match else None for match in matches], self._images)
        missing = np.isnan(read).any(axis=(1, 2, 3))
        read = np.nan_to_num(read)
        found = {
            "gradients": pictures.gradients(read),
            "colours": pictures.colours(read),
            "pixels": pictures.small_pixels(read),
        }
        for features in found.values():
            features[missing] = np.nan
        return found
