"""The gallery of what a model got wrong: the surest of all, or those of one cell of the confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dash import html

from contracts.report import SUREST
from ui import wording
from ui.parts import Node, attributes, card, name, table

if TYPE_CHECKING:
    from contracts.report import Mistake, Report

MAX_VALUES = 6  # of a mistake's row; the rest is folded
LONGEST_CHOICE = 60  # characters of the names of a pair


def mistakes(report: Report, dataset_id: str) -> Node:
    """Give the card; mistakes.js shows the rows of the pair that is chosen here or in the matrix."""
    found = report.mistakes
    if found is None:
        return None
    if not found.wrong:
        return card(html.P("Every validation row is predicted right."), title="Most confident mistakes")
    pictured = any(each.images for each in found.shown)
    valued = any(each.values for each in found.shown)
    header = ["Row", "True", "Predicted", "Probability"]
    header += ["Images"] * pictured + ["Values"] * valued
    rows = [
        [
            html.Span(str(each.row), **_marks(each, place)),
            name(each.truth),
            name(each.predicted),
            wording.percent(each.probability),
            *([_pictures(each, dataset_id)] if pictured else []),
            *([_values(each)] if valued else []),
        ]
        for place, each in enumerate(found.shown)
    ]
    return card(
        html.P(
            f"{wording.plural(found.wrong, 'validation row')} predicted wrong; of these the model was most sure. Look for wrong "
            "labels here first. Rows count from 0.",
            className="quiet",
        ),
        html.Label(
            ["Show ", html.Select(_choices(report), id="mistakes-pair", className="native-select")],
            className="mistakes-choice",
        ),
        html.P("", id="mistakes-note", className="quiet", role="status"),
        html.Div(
            table(header, rows, "Most confident mistakes", numeric=(3,), stacked=True),
            className="tall mistakes",
        ),
        title="Most confident mistakes",
        id="job-mistakes",
    )


def _marks(mistake: Mistake, place: int) -> dict[str, Any]:
    marks = attributes(data_truth=mistake.truth, data_predicted=mistake.predicted)
    return marks if place < SUREST else marks | attributes(data_beyond="true")


def _choices(report: Report) -> list[Node]:
    cells = [
        (count, report.labels[truth], report.labels[predicted])
        for truth, row in enumerate(report.confusion_matrix)
        for predicted, count in enumerate(row)
        if count and truth != predicted
    ]
    cells.sort(key=lambda cell: -cell[0])
    return [
        html.Option("the surest of all", value=""),
        *(
            html.Option(
                f"{_short(truth)} taken for {_short(predicted)}: {wording.plural(count, 'row')}",
                value=str(place),
                **attributes(data_truth=truth, data_predicted=predicted, data_count=str(count)),
            )
            for place, (count, truth, predicted) in enumerate(cells)
        ),
    ]


def _short(label: str) -> str:
    half = LONGEST_CHOICE // 2
    return label if len(label) <= half else label[: half - 1] + "…"


def _pictures(mistake: Mistake, dataset_id: str) -> Node:
    pictures = [
        # page.js turns one that does not decode into words
        html.Img(
            src=f"/api/datasets/{quote(dataset_id, safe='')}/files/{quote(path)}?size=96",
            alt=path,
            title=path,
            className="thumbnail",
        )
        for paths in mistake.images.values()
        for path in paths
    ]
    return html.Div(pictures or html.Span("no file", className="thumbnail none"), className="pictures")


def _values(mistake: Mistake) -> Node:
    pairs = [
        html.Div(
            [
                html.Span(f"{column} ", className="quiet", dir="auto"),
                html.Span("missing", className="missing") if value is None else name(_text(value)),
            ],
            className="pair",
        )
        for column, value in mistake.values.items()
    ]
    if len(pairs) <= MAX_VALUES:
        return html.Div(pairs, className="values")
    more = f"{wording.plural(len(pairs) - MAX_VALUES, 'value')} more"
    folded = html.Details([html.Summary(more), *pairs[MAX_VALUES:]])
    return html.Div([*pairs[:MAX_VALUES], folded], className="values")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else wording.number(value)
