"""A form with a field for each column that a model reads, and what is typed in it as a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import dcc, html

from contracts.schema import ColumnType
from ui import wording
from ui.parts import Node, attributes, name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import DatasetColumns, EffectiveColumn, JobDetail, Statistics

Row = Mapping[str, str | None]  # by column: cells, addresses of pictures, what was chosen
MAX_FIELDS = 60  # columns with a field of their own; the others keep what the example row has
MAX_IMAGE_BYTES = 20 << 20  # of one image in a form; the api's MAX_INLINE_BYTES is the limit of all together
LONGEST_NAME = 100  # characters kept of a chosen file's name
# What splits a cell that names several images, is no part of a file's name, or turns the direction of text
_ODD = re.compile(r"[\x00-\x1f\x7f;,|\[\]\"'/\\:\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LISTED = {ColumnType.CATEGORICAL.value, ColumnType.BOOLEAN.value}


def columns_of(job: JobDetail, schema: DatasetColumns) -> list[EffectiveColumn]:
    """Give the columns that a job's model reads, as its data set describes them, with the types the job was told."""
    types, read = job["settings"].get("column_types") or {}, set(job["settings"].get("feature_columns") or ())
    return [
        {**column, "type": types.get(column["name"], column["type"])}
        for column in schema["columns"]
        if column["name"] in read
    ]


def fields(columns: Sequence[EffectiveColumn], row: Row, pictures: Row) -> Node:
    """Give the fields, filled in.

    Args:
        columns: What the model reads.
        row: Cells by column.
        pictures: URLs of thumbnails of image cells by column.
    """
    shown = [
        html.Div(
            [
                _field(column, row.get(column["name"]), pictures.get(column["name"])),
                html.P(
                    id={"form": "try-note", "field": column["name"]},
                    className="warn",
                    role="status",
                    dir="auto",
                ),
            ],
            className="wide-field" if column["type"] == ColumnType.TEXT.value else "",
        )
        for column in columns[:MAX_FIELDS]
    ]
    more = len(columns) - MAX_FIELDS
    kept = f"The other {wording.plural(more, 'column')} keep what the example row has."
    return [
        html.Div(shown, className="form-grid"),
        html.P(kept, className="quiet") if more > 0 else None,
    ]


def row_of(
    columns: Sequence[EffectiveColumn], example: Row, typed: Row, sent: Row, files: Row
) -> tuple[dict[str, str], dict[str, str]]:
    """Put together what the API is asked.

    Args:
        columns: What the model reads.
        example: The example row.
        typed: What the fields hold, by column.
        sent: Data URLs of images chosen in the form, by column.
        files: Names of these images, by column.

    Returns:
        The row, and the images by the names that it uses.
    """
    row = {column["name"]: typed.get(column["name"], example.get(column["name"])) for column in columns}
    images: dict[str, str] = {}
    for column in columns:
        url = sent.get(column["name"])
        if url:
            file = _file_name(files.get(column["name"]) or "image", images)
            row[column["name"]], images[file] = file, url
    return {key: value for key, value in row.items() if value}, images


def _file_name(given: str, taken: Mapping[str, str]) -> str:
    """Give a name under which an image can be sent; two columns may be given files of one name."""
    name = _ODD.sub("_", given)[-LONGEST_NAME:].strip()
    there = {each.casefold() for each in taken}
    return name if name.casefold() not in there else f"{len(taken) + 1} {name}"


def problems(columns: Sequence[EffectiveColumn], typed: Row) -> dict[str, str]:
    """Say by column what no model can make anything of: words where it was told numbers."""
    said = {}
    for column in columns:
        text = (typed.get(column["name"]) or "").strip()
        numeric = column["type"] == ColumnType.NUMERIC.value
        if text and numeric and text not in column["missing_tokens"] and not re.search(r"\d", text):
            said[column["name"]] = f"“{text}” is no number. Leave the field empty where it is not known."
    return said


def notes_beside(columns: Sequence[EffectiveColumn], notes: Sequence[str]) -> dict[str, str]:
    """Give by column what a prediction told of it."""
    told = {
        column["name"]: [note for note in notes if note.startswith(f"column {column['name']!r}")]
        for column in columns
    }
    return {column: "; ".join(some) for column, some in told.items() if some}


def _field(column: EffectiveColumn, value: str | None, picture: str | None) -> Node:
    title = column["name"]
    identity = {"form": "try", "field": title}
    statistics = column["statistics"]
    if column["type"] == ColumnType.IMAGE.value:
        return _image(title, value, picture)
    common: dict[str, Any] = {
        "id": identity,
        "label": name(title),
        "value": value or "",
        "placeholder": "missing",
    }
    if column["type"] == ColumnType.TEXT.value:
        return dmc.Textarea(**common, autosize=True, minRows=2, maxRows=8)
    if column["type"] in LISTED:
        known = list(dict.fromkeys(each["value"] for each in statistics["top_values"]))
        return dmc.Autocomplete(**common, data=known, limit=50)
    return dmc.TextInput(
        **common,
        description=_range(column, statistics),
        inputProps={"inputMode": "decimal"} if column["type"] == ColumnType.NUMERIC.value else {},
    )


def _range(column: EffectiveColumn, statistics: Statistics) -> str:
    if column["type"] == ColumnType.NUMERIC.value and statistics["minimum"] is not None:
        return (
            f"in training {wording.number(statistics['minimum'])} to {wording.number(statistics['maximum'])}"
        )
    earliest, latest = statistics["earliest"], statistics["latest"]
    if column["type"] == ColumnType.DATETIME.value and earliest and latest:
        return f"in training {earliest[:10]} to {latest[:10]}"
    return ""


def _image(title: str, value: str | None, picture: str | None) -> Node:
    return html.Div(
        [
            html.Div(name(title), className="field-label"),
            dcc.Upload(
                html.Div(
                    [
                        html.Img(
                            src=picture or "",
                            alt="",
                            id={"form": "try-picture", "field": title},
                            className="try-picture",
                            **attributes(data_empty="" if picture else "yes"),
                        ),
                        html.Span("Choose an image, or drop one here", className="quiet"),
                    ],
                    className="try-chooser",
                ),
                id={"form": "try-image", "field": title},
                accept="image/*",
                max_size=MAX_IMAGE_BYTES,
                className="try-image",
            ),
            # the example row's file, until another is chosen
            dcc.Input(id={"form": "try", "field": title}, type="hidden", value=value or ""),
        ],
        className="try-image-field",
        # predict.js tells in the field's note what is no image
        **attributes(data_column=title, data_most=str(MAX_IMAGE_BYTES)),
    )
