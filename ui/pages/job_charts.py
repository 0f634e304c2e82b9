"""Small charts of a report, drawn with HTML alone as in ui.distribution: bars with a deviation, and reliability diagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.parts import Node, attributes

if TYPE_CHECKING:
    from contracts.report import ProbabilityFigures, Spread

FAINTEST = 0.25  # opacity of the bar that holds the fewest rows


def effect(spread: Spread, low: float, high: float) -> Node:
    """Draw a mean as a bar from zero, its standard deviation as a line across the bar's end, and both in points.

    Args:
        spread: Of a share, 0.1 being ten points.
        low: Left end of the scale that all bars of a table have, at most 0.
        high: Its right end, at least 0.
    """
    width = high - low or 1.0

    def place(value: float) -> float:
        return 100 * (value - low) / width

    zero, end = place(0), place(spread.mean)
    parts = [
        html.Span(
            className="bar", style={"left": f"{min(zero, end):.2f}%", "width": f"{abs(end - zero):.2f}%"}
        ),
        html.Span(className="zero", style={"left": f"{zero:.2f}%"}),
    ]
    points = wording.fixed(100 * spread.mean, 1)
    if spread.sd is not None:
        left, right = place(spread.mean - spread.sd), place(spread.mean + spread.sd)
        parts.append(
            html.Span(className="whisker", style={"left": f"{left:.2f}%", "width": f"{right - left:.2f}%"})
        )
        points += f" ± {100 * spread.sd:.1f}"
    return html.Div(
        [
            html.Span(parts, className="effect-track", **attributes(aria_hidden="true")),
            html.Span(points, className="effect-number"),
        ],
        className="effect",
    )


def reliability(title: str, figures: ProbabilityFigures) -> Node:
    """Draw the share that is right over the predicted probability, with the line on which both are equal."""
    most = max((each.rows for each in figures.bins), default=1)
    bars = [
        html.Span(
            className="bar",
            style={
                "left": f"{100 * each.low:.2f}%",
                "width": f"{100 * (each.high - each.low):.2f}%",
                "height": f"{100 * each.accuracy:.2f}%",
                "opacity": f"{FAINTEST + (1 - FAINTEST) * each.rows / most:.2f}",
            },
            title=f"{wording.plural(each.rows, 'row')} predicted with {wording.percent(each.confidence)} on average: "
            f"{wording.percent(each.accuracy)} are right",
        )
        for each in figures.bins
    ]
    label = f"{title}: share right over probability, calibration error {wording.percent(figures.ece)}"
    return html.Figure(
        [
            html.Figcaption(
                [html.Strong(title), html.Span(f"error {wording.percent(figures.ece)}", className="quiet")]
            ),
            html.Div(bars, className="reliability", role="img", **attributes(aria_label=label)),
            html.Div(
                [html.Span("0"), html.Span("probability"), html.Span("1")], className="reliability-axis"
            ),
        ],
        className="reliability-figure",
    )
