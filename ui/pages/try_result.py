"""What a model said of some rows: one row in full, several as a table with a download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.parts import Node, attributes, card, message, name, table, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import PredictedRows, Prediction

SHOWN_CLASSES = 8
SHOWN_ROWS = 100
SHOWN_COLUMNS = 12
_CLASS, _PART = ("p(", ")"), ("contribution(", ")")


def result(prediction: Prediction, found: PredictedRows | None) -> Node:
    """Give the card of a prediction that has ended.

    Args:
        prediction: It.
        found: Its first rows; None where it failed.
    """
    if found is None:
        return card(message("error", "There is no prediction", prediction["reason"]), title="Prediction")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    notes = [html.Li(note, dir="auto") for note in prediction["notes"]]
    if prediction["rows"] == 1:
        body: list[Node] = [_one(rows[0])]
    else:
        body = _several(prediction, found["columns"], rows)
    body.append(html.Ul(notes, className="notes") if notes else None)
    download = html.A(
        "Download as CSV",
        href=f"/api/predictions/{prediction['id']}/predictions.csv",
        download="predictions.csv",
        className="link-button",
    )
    return card(*body, title="Prediction", aside=download, id="try-answer")


def _one(row: dict[str, str]) -> Node:
    classes = _within(row, _CLASS) or {row["prediction"]: float(row["probability"])}
    ranked = sorted(classes.items(), key=lambda pair: (pair[0] != row["prediction"], -pair[1]))
    shown = [
        [name(label), _measured(0, 100 * share, wording.percent(share))]
        for label, share in ranked[:SHOWN_CLASSES]
    ]
    rest = sum(share for _, share in ranked[SHOWN_CLASSES:])
    more = wording.plural(len(ranked) - SHOWN_CLASSES, "other class")
    parts = _within(row, _PART)
    return html.Div(
        [
            html.P(
                [
                    name(row["prediction"]),
                    html.Span(wording.percent(float(row["probability"])), className="quiet"),
                ],
                className="try-class",
            ),
            html.Div(table(("Class", "Probability"), shown, "Probabilities"), className="try-parts"),
            html.P(f"{more}: {wording.percent(rest)} together.", className="quiet")
            if len(ranked) > SHOWN_CLASSES
            else None,
            _contributions(parts, row["prediction"]) if len(parts) > 1 else None,
        ]
    )


def _contributions(parts: dict[str, float], predicted: str) -> Node:
    most = max(map(abs, parts.values())) or 1.0
    rows = [
        [
            wording.MODALITIES.get(part, part),
            # to the right of the middle what speaks for the class, to the left what speaks against it
            _measured(50, 50 * value / most, wording.fixed(value, 2, signed=True)),
        ]
        for part, value in parts.items()
    ]
    return html.Div(
        [
            html.H3("What spoke for it", className="effects-title"),
            table(("Part", "Effect"), rows, "Contribution of each modality"),
            html.P(
                [
                    "What each part adds to the log-probability of ",
                    name(predicted),
                    ", compared with not knowing it.",
                ],
                className="quiet",
            ),
        ],
        className="try-parts",
    )


def _several(prediction: Prediction, columns: Sequence[str], rows: list[dict[str, str]]) -> list[Node]:
    shown = [column for column in columns if column != "row"][:SHOWN_COLUMNS]
    cells = [[row["row"], *(_cell(column, row[column]) for column in shown)] for row in rows]
    shares = [place for place, column in enumerate(shown, start=1) if not column.startswith("prediction")]
    told = f"{wording.plural(prediction['rows'], 'row')} predicted."
    if prediction["rows"] > len(rows) or len(columns) - 1 > len(shown):
        told += f" Here are the first {len(rows)} rows"
        told += f" and {len(shown)} of {len(columns) - 1} columns" if len(columns) - 1 > len(shown) else ""
        told += "; the file has all. "
    return [
        html.P(told + " Rows count from 0.", className="quiet"),
        html.Div(table(["Row", *shown], cells, "Predictions", numeric=[0, *shares]), className="tall"),
    ]


def _cell(column: str, text: str) -> Node:
    if column.startswith("prediction"):
        return name(text)
    return (
        wording.fixed(float(text), 2, signed=True)
        if column.startswith(_PART[0])
        else wording.percent(float(text))
    )


def earlier(predictions: Sequence[Prediction], job_id: str) -> Node:
    """List a job's predictions."""
    rows = [
        [
            html.A(
                name(each["name"]), href=f"/jobs/{job_id}/try?prediction={each['id']}", className="row-link"
            ),
            {"waiting": "waits for its data set"}.get(each["state"], wording.state(each["state"])),
            wording.whole(each["rows"]) if each["state"] == "succeeded" else "–",
            when(each["created_at"]),
        ]
        for each in predictions
    ]
    if not rows:
        return html.P("None yet.", className="quiet")
    return table(("What", "State", "Rows", "Asked"), rows, "Predictions so far", numeric=(2,), stacked=True)


def _within(row: dict[str, str], ends: tuple[str, str]) -> dict[str, float]:
    start, end = ends
    return {
        column[len(start) : -len(end)]: float(value)
        for column, value in row.items()
        if column.startswith(start) and column.endswith(end)
    }


def _measured(zero: float, length: float, text: str) -> Node:
    """Draw a bar from a point on, to the left where its length is negative, both in per cent, and write its value beside it."""
    bar = {"left": f"{zero + min(0.0, length):.1f}%", "width": f"{abs(length):.1f}%"}
    parts = [html.Span(className="bar", style=bar), html.Span(className="zero", style={"left": f"{zero}%"})]
    return html.Div(
        [
            html.Div(parts, className="effect-track", **attributes(aria_hidden="true")),
            html.Span(text, className="effect-number"),
        ],
        className="effect",
    )
