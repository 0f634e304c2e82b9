"""The classes of the column to predict: how many rows each has, and which have too few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.parts import Node, name

if TYPE_CHECKING:
    from client.types import DatasetColumns, ValueCount

SHOWN = 12  # the others are folded
FEW = 5  # rows; a class with fewer is hardly validated, as the checks before a job say


def balance(schema: DatasetColumns, target: str | None) -> Node:
    """Draw the classes of a target as bars, most frequent first.

    Args:
        schema: Of the data set; it counts the 50 most frequent values of a column.
        target: Name of the column; None where none is chosen.
    """
    column = next((column for column in schema["columns"] if column["name"] == target), None)
    if column is None or not column["statistics"]["top_values"]:
        return None
    values = column["statistics"]["top_values"]
    present = max(1, column["rows"] - column["missing"])
    unlisted = column["distinct"] - len(values)
    title = f"{wording.plural(column['distinct'], 'class')} in {wording.plural(present, 'row')}"
    if not schema["detected"]["complete"]:
        title += ", of the first rows alone"
    bars = [_bar(entry, values[0]["count"], present) for entry in values]
    return html.Div(
        [
            html.H3(title),
            html.Ul(bars[:SHOWN], className="top-values"),
            html.Details(
                [
                    html.Summary(f"{wording.plural(len(bars) - SHOWN, 'smaller class')}"),
                    html.Ul(bars[SHOWN:], className="top-values"),
                ],
                className="more",
            )
            if len(bars) > SHOWN
            else None,
            html.P(f"and {wording.plural(unlisted, 'class')} with no more rows than these", className="quiet")
            if unlisted > 0
            else None,
            *(_too_small(values) if schema["detected"]["complete"] else ()),
        ],
        className="balance",
    )


def _bar(entry: ValueCount, most: int, present: int) -> Node:
    few = entry["count"] < FEW
    share = f"{wording.whole(entry['count'])} ({wording.percent(entry['count'] / present, 0)})"
    return html.Li(
        [
            name(entry["value"] if entry["value"].strip() else "(blank)"),
            html.Span(share, className="bar-share"),
            html.Span(className="bar", style={"width": f"{100 * entry['count'] / most:.1f}%"}),
        ],
        className="few" if few else "",
    )


def _too_small(values: list[ValueCount]) -> list[Node]:
    single = [entry["value"] for entry in values if entry["count"] == 1]
    few = [entry["value"] for entry in values if 1 < entry["count"] < FEW]
    lines: list[Node] = []
    if single:
        lines.append(_named(single, "a single row: trained on and never validated"))
    if few:
        lines.append(_named(few, f"2 to {FEW - 1} rows: too few to be judged by"))
    return lines


def _named(values: list[str], what: str) -> Node:
    some: list[Node] = []
    for value in values[:FEW]:
        some += [", ", name(value)]
    more = f" and {len(values) - FEW} more" if len(values) > FEW else ""
    verb = "has" if len(values) == 1 else "have"
    return html.P([*some[1:], f"{more} {verb} {what}."], className="warn")
