"""The first rows of a data set, with thumbnails where a column names images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui.parts import Node, message, name, table

if TYPE_CHECKING:
    from client.types import DatasetPreview

ROWS = 20
LONG = 160  # characters; a longer cell is folded


def first_rows(preview: DatasetPreview) -> Node:
    """Make the table."""
    columns = preview["columns"]
    thumbnails = preview["thumbnails"]
    if not preview["rows"]:
        text = "Nothing can be learnt from a header alone. Upload a table with rows below it."
        return message("warning", "The table has no rows", text)
    rows = [
        [
            _cell(cell, column, thumbnails[i] if i < len(thumbnails) else {})
            for cell, column in zip(row, columns, strict=False)
        ]
        for i, row in enumerate(preview["rows"])
    ]
    return html.Div(table([name(column) for column in columns], rows, "First rows"), className="preview")


def _cell(cell: str | None, column: str, thumbnails: dict[str, str | None]) -> Node:
    if cell is None or not cell.strip():
        return html.Span("missing", className="missing")
    if column in thumbnails:
        return _picture(cell, thumbnails[column])
    if len(cell) > LONG:
        return html.Details(
            [html.Summary(cell[:LONG] + "…", dir="auto"), html.Span(cell, dir="auto")], className="long"
        )
    return html.Span(cell, dir="auto")


def _picture(cell: str, url: str | None) -> Node:
    if not url:
        return html.Span([html.Span("no file", className="thumbnail none"), name(cell)], className="picture")
    # page.js turns one that does not decode into words
    return html.Span([html.Img(src=url, alt=cell, className="thumbnail"), name(cell)], className="picture")
