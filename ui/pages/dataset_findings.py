"""What the detection found in a table as a whole, grouped by how much it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.parts import Node, message, name

if TYPE_CHECKING:
    from client.types import DatasetColumns, DatasetSchema, DatasetSchemaFinding

TITLES = {"error": "This stops training", "warning": "Worth a look", "info": "Good to know"}
NO_ROWS = (
    "The table has a header and no row below it, so there is nothing to learn from. Upload one that has rows."
)
NAMED = 10  # unused files


def has_no_rows(schema: DatasetColumns) -> bool:
    """Whether all of a table was read, and it was a header alone."""
    return schema["detected"]["complete"] and not schema["detected"]["rows"]


def findings(schema: DatasetColumns) -> Node:
    """Show them; None where there are none."""
    if has_no_rows(schema):
        # what is said of each column follows from it
        return html.Div(message("error", "This data set has no rows", NO_ROWS), className="findings")
    detected = schema["detected"]
    groups = []
    for level, title in TITLES.items():
        lines = [html.Li(_line(entry, detected)) for entry in detected["findings"] if entry["level"] == level]
        if lines:
            groups.append(message(level, title, html.Ul(lines, className="plain-list"), urgent=False))
    return html.Div(groups, className="findings") if groups else None


def _line(entry: DatasetSchemaFinding, detected: DatasetSchema) -> Node:
    if entry["code"] == "unused-files" and detected["unused_files"]:
        return _unused(detected["unused_files"], detected["unused_file_examples"])
    column, text = entry["column"], entry["message"]
    if not column:
        return text
    # the sentence may name its column by itself
    quoted = repr(column)
    if quoted in text and not text.startswith(f"{quoted}: "):
        return text
    return [html.Strong([name(column), ": "]), text.removeprefix(f"{quoted}: ")]


def _unused(count: int, examples: list[str]) -> Node:
    listed: list[Node] = []
    for example in examples[:NAMED]:
        listed += [", ", name(example)]
    more = count - len(examples[:NAMED])
    return [
        f"{wording.plural(count, 'uploaded file')} {'is' if count == 1 else 'are'} named by no row",
        *([": ", *listed[1:]] if listed else []),
        f" and {wording.plural(more, 'other')}." if listed and more else ".",
    ]
