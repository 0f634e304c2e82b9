"""Small pictures of a column's values, drawn with HTML alone: a page of columns needs no chart library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.parts import Node, attributes, name

if TYPE_CHECKING:
    from client.types import EffectiveColumn, ImageMatch, Statistics, ValueCount

SHOWN_VALUES = 5
FORGIVEN = {"case": "upper and lower case", "extension": "file extension", "url": "web address"}


def distribution(column: EffectiveColumn) -> Node:
    """Draw a column: bars of frequent values, or a histogram; words where there is neither."""
    statistics, images = column["statistics"], column["images"]
    if column["type"] == "image" and images:
        return _matches(images)
    if statistics["histogram"] and column["type"] in {"numeric", "text", "datetime"}:
        return _histogram(column, statistics)
    if statistics["top_values"]:
        return _top_values(column, statistics["top_values"])
    if statistics["earliest"]:
        return html.P(f"{statistics['earliest']} to {statistics['latest']}", className="quiet")
    return html.P(f"{wording.plural(column['distinct'], 'distinct value')}", className="quiet")


def _histogram(column: EffectiveColumn, statistics: Statistics) -> Node:
    bins = statistics["histogram"]
    highest = max((entry["count"] for entry in bins), default=0) or 1
    unit = " characters" if column["type"] == "text" else ""
    bars = [
        html.Span(
            style={"height": f"{max(2, round(100 * entry['count'] / highest))}%" if entry["count"] else "0"},
            title=f"{wording.number(entry['low'])} to {wording.number(entry['high'])}{unit}: {wording.plural(entry['count'], 'row')}",
        )
        for entry in bins
    ]
    low, high = wording.number(bins[0]["low"]), wording.number(bins[-1]["high"])
    label = f"Histogram from {low} to {high}{unit}"
    return html.Figure(
        [
            html.Div(bars, className="histogram", role="img", **attributes(aria_label=label)),
            html.Figcaption([html.Span(low), html.Span(_middle(column, statistics)), html.Span(high + unit)]),
        ],
        className="distribution",
    )


def _middle(column: EffectiveColumn, statistics: Statistics) -> str:
    mean = statistics["mean_length" if column["type"] == "text" else "mean"]
    return f"mean {wording.number(mean)}" if mean is not None else ""


def _top_values(column: EffectiveColumn, values: list[ValueCount]) -> Node:
    present = max(1, column["rows"] - column["missing"])
    if values[0]["count"] == 1 and column["distinct"] > 1:
        some = ", ".join(entry["value"] for entry in values[:3])
        return html.P(["All different, for example ", name(some)], className="quiet")
    shown = values[:SHOWN_VALUES]
    bars = [
        html.Li(
            [
                name(entry["value"] if entry["value"].strip() else "(blank)"),
                html.Span(wording.percent(entry["count"] / present, 0), className="bar-share"),
                html.Span(className="bar", style={"width": f"{100 * entry['count'] / present:.1f}%"}),
            ],
        )
        for entry in shown
    ]
    more = column["distinct"] - len(shown)
    note = html.P(f"and {wording.plural(more, 'more value')}", className="quiet") if more > 0 else None
    return html.Div([html.Ul(bars, className="top-values"), note], className="distribution")


def _matches(images: ImageMatch) -> Node:
    lines = [html.Li(f"{wording.plural(images['matched'], 'row')} with an image", className="quiet")]
    if images["missing"]:
        some = ", ".join(images["missing_examples"][:3])
        lines.append(html.Li([f"{wording.whole(images['missing'])} without: ", name(some)], className="warn"))
    forgiven = {what: count for what, count in images["forgiven"].items() if count}
    if forgiven:
        listed = ", ".join(
            f"{FORGIVEN.get(what, what)} ({wording.whole(count)})" for what, count in forgiven.items()
        )
        lines.append(html.Li(f"Found although it differs: {listed}", className="quiet"))
    return html.Ul(lines, className="plain-list distribution")
