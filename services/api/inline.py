"""Rows that came inside a request, as the table and the images that a model reads."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contracts.schema import ColumnType, Dialect
from runtime.errors import Invalid, NotFound
from services.api.names import safe_name
from services.api.schemas import unknown_column
from tabular.images import ImageIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contracts.schema import ColumnProfile

DIALECT = Dialect(encoding="utf-8")


@dataclass
class InlineTable:
    """A CSV and the images that it names."""

    csv: bytes
    images: dict[str, bytes] = field(default_factory=dict)


def lay_out(
    rows: Sequence[Mapping[str, Any]],
    images: Mapping[str, str],
    columns: Sequence[ColumnProfile],
    stored: Callable[[], ImageIndex],
    read: Callable[[str], bytes],
) -> InlineTable:
    """Write rows as a CSV, with the images they name.

    Args:
        rows: Cells by column; what a row lacks is missing.
        images: Base64 of images by the names that cells use.
        columns: What the model reads, as it was in its training.
        stored: Gives the files of the data set that the model was trained on; a cell may name one of them too.
        read: Reads one of those.

    Raises:
        Invalid: A column or an image is not one, by its field.
    """
    names = [column.name for column in columns]
    errors = {
        f"rows.{number}.{name}": [problem]
        for number, row in enumerate(rows)
        for name, value in row.items()
        if (problem := _problem(name, value, names))
    }
    sent = {safe_name(name): _decode(name, text, errors) for name, text in images.items()}
    if errors:
        raise Invalid("; ".join(f"{place}: {texts[0]}" for place, texts in errors.items()), errors)
    table = InlineTable(b"", dict(sent))
    here, there = ImageIndex(sent), None
    for column in columns:
        cells = [str(row[column.name]) for row in rows if row.get(column.name)]
        if column.type is not ColumnType.IMAGE or not cells:
            continue
        for cell in cells:
            missing = here.match_all(cell)[1]
            if missing and there is None:
                there = stored()
            for value in missing:
                match = there.match(value) if there else None
                if match is not None:
                    table.images[match.path] = _read(read, match.path)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row.get(column.name), column) for column in columns] for row in rows)
    table.csv = text.getvalue().encode()
    return table


def _problem(name: str, value: Any, names: list[str]) -> str | None:
    if name not in names:
        return unknown_column(name, names)
    if value is not None and not isinstance(value, (str, int, float)):
        return "is no cell: text, a number, true, false or null is allowed"
    return None


def _decode(name: str, text: str, errors: dict[str, list[str]]) -> bytes:
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except ValueError:
        errors[f"images.{name}"] = ["is not base64, nor a data: URL of it"]
        return b""


def _read(read: Callable[[str], bytes], path: str) -> bytes:
    try:
        return read(path)
    except NotFound:
        raise Invalid(f"The image {path!r} is gone from the data set; send it in `images`.") from None


def _cell(value: Any, column: ColumnProfile) -> str:
    """Write a value as the column's own table did, whose decimal mark may be a comma."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)) and column.number_format is not None:
        # all digits: where thousands are grouped, or a comma is the mark, an exponent is not read
        return f"{Decimal(repr(value)):f}".replace(".", column.number_format.decimal)
    return str(value)
