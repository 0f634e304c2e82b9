"""What a job's report found out about its model: what it goes by, whether to believe it, where it was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.pages.job_charts import effect, reliability
from ui.pages.job_mistakes import mistakes
from ui.parts import Node, card, name, table

if TYPE_CHECKING:
    from contracts.report import Calibration, Contribution, Contributions, Report, Spread

MAX_COLUMNS = 20


def insight(report: Report, dataset_id: str) -> Node:
    """Give the cards, or nothing for a report that has none of their parts."""
    left = [_baselines(report)] if report.baselines else []
    if report.contributions:
        left.append(_contributions(report.contributions))
    right = [_calibration(report.calibration)] if report.calibration else []
    wide = [mistakes(report, dataset_id)] if report.mistakes else []
    if not (left or right or wide):
        return None
    sides = [html.Div(side, className="stack") for side in (left, right) if side]
    return [html.Div(sides, className="result"), *wide]


def _baselines(report: Report) -> Node:
    ours = report.metrics
    rows: list[list[Node]] = [
        [
            html.Strong("This model"),
            html.Strong(wording.percent(ours.get("accuracy"))),
            html.Strong(wording.percent(ours.get("macro_f1"))),
            html.Strong(wording.number(ours.get("log_loss"))),
        ]
    ]
    rows += [
        [
            each.title,
            wording.percent(each.accuracy),
            wording.percent(each.macro_f1),
            wording.number(each.log_loss),
        ]
        for each in report.baselines
    ]
    return card(
        table(
            ("", "Accuracy", "Macro F1", "Log loss"),
            rows,
            "This model and simple ones",
            numeric=(1, 2, 3),
            stacked=True,
        ),
        title="Against simple models",
    )


def _contributions(found: Contributions) -> Node:
    every = [*found.modalities, *found.columns]
    bounds = [bound for each in every for bound in _reach(each.accuracy_drop)]
    low, high = min([0.0, *bounds]), max([0.0, *bounds])

    def listed(what: str, some: list[Contribution], words: dict[str, str]) -> Node:
        rows = [
            [
                html.Div(name(words.get(each.name, each.name)), className="effect-name"),
                effect(each.accuracy_drop, low, high),
                _spread(each.log_loss_rise),
            ]
            for each in some
        ]
        header = ("", "Accuracy lost, points", "Log loss gained")
        return html.Div(
            [html.H3(what, className="effects-title"), table(header, rows, what, numeric=(2,), stacked=True)],
            className="effects",
        )

    more = len(found.columns) - MAX_COLUMNS
    notes = [*found.notes, *([f"{wording.plural(more, 'column')} more in report.json"] if more > 0 else [])]
    if found.skipped:
        notes.append(f"not measured: {', '.join(found.skipped[:MAX_COLUMNS])}")
    return card(
        html.P(
            f"What is lost when values are shuffled among {wording.plural(found.rows, 'validation row')}. "
            "Columns that tell the same share their contribution.",
            className="quiet",
        ),
        listed("By kind of data", found.modalities, wording.MODALITIES) if found.modalities else None,
        listed("By column", found.columns[:MAX_COLUMNS], {}) if found.columns else None,
        html.Ul([html.Li(note, dir="auto") for note in notes], className="notes") if notes else None,
        title="What it goes by",
    )


def _reach(spread: Spread) -> tuple[float, float]:
    return spread.mean - (spread.sd or 0), spread.mean + (spread.sd or 0)


def _spread(spread: Spread) -> str:
    deviation = "" if spread.sd is None else f" ± {spread.sd:.3f}"
    return wording.fixed(spread.mean, 3) + deviation


def _calibration(found: Calibration) -> Node:
    after = "After" if found.applied else "After, not used"
    shown = [("Before", found.before), *([(after, found.after)] if found.after else [])]
    rows: list[list[Node]] = [
        [title, wording.number(figures.log_loss), wording.number(figures.brier), wording.percent(figures.ece)]
        for title, figures in shown
    ]
    if found.applied:
        text = (
            f"Probabilities are scaled by a temperature of {found.temperature:.2f}, fitted on "
            f"{wording.plural(found.rows, 'validation row')}; the figures after it are of rows it was not fitted on. "
            "Predicted classes stay the same."
        )
    else:
        text = f"Probabilities are not scaled: {found.why}."
    return card(
        html.Div([reliability(title, figures) for title, figures in shown], className="reliabilities"),
        html.P(
            "Each bar holds the rows predicted with about that probability; at the line, as many of them are right as the "
            "probability says. Faint bars hold few rows.",
            className="quiet",
        ),
        table(
            ("", "Log loss", "Brier score", "Calibration error"),
            rows,
            "Calibration",
            numeric=(1, 2, 3),
            stacked=True,
        ),
        html.P(text, className="quiet"),
        title="Can its probabilities be believed?",
    )
