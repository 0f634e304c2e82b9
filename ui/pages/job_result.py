"""What a job left: its best figures, the report by class, artifacts, and the way it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import html
from pydantic import ValidationError

from client import Api, ApiError
from contracts import report as reports
from ui import wording
from ui.pages.job_insight import insight
from ui.parts import JSON, Node, attributes, card, facts, failure, message, name, table

if TYPE_CHECKING:
    from client.types import Artifact, JobDetail, Step
    from contracts.report import Report

SHARES = {"accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "majority_rate", "precision", "recall"}
FIRST = ("accuracy", "majority_rate", "macro_f1", "weighted_f1", "balanced_accuracy", "loss", "best_epoch")
ELSEWHERE = {"log_loss", "brier", "ece"}  # in the card on calibration, before and after
WORDS = {
    "majority_rate": "Always the most frequent class",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
}
MAX_CLASSES = 200


@dataclass(frozen=True)
class Result:
    """The parts of the page that come with the end of a job; each may be nothing."""

    figures: Node = None
    report: Node = None
    insight: Node = None
    artifacts: Node = None
    matrix: JSON | None = None  # what live.js draws instead of the best validation pass


def result(api: Api, job: JobDetail) -> Result:
    """Give what there is to tell of a job."""
    figures = _figures(job["metrics"]) if job["metrics"] else None
    if job["state"] not in wording.ENDED:
        return Result(figures)
    try:
        raw = api.report(job["id"]) if job["state"] == "succeeded" else None
        artifacts = api.artifacts(job["id"])["items"]
    except ApiError as error:
        return Result(figures, artifacts=failure(error))
    shown = _artifacts(artifacts) if artifacts else None
    if raw is None:
        return Result(figures, artifacts=shown)
    try:
        report = reports.parse(raw)
    except ValidationError:
        told = f"It is of version {raw.get('version')}; this page reads versions 1 and {reports.VERSION}. Download it below."
        return Result(figures, message("warning", "report.json cannot be shown", told), artifacts=shown)
    matrix: JSON = {
        "id": job["id"],
        "attempt": job["attempt"],
        "labels": report.labels,
        "matrix": report.confusion_matrix,
    }
    return Result(figures, _report(report), insight(report, job["dataset_id"]), shown, matrix)


def _figures(metrics: dict[str, float]) -> Node:
    keys = [key for key in FIRST if key in metrics] + sorted(metrics.keys() - ELSEWHERE - set(FIRST))
    tiles = [
        html.Div(
            [
                html.Dt(WORDS.get(key, wording.metric_name(key).capitalize().replace("f1", "F1"))),
                html.Dd(wording.percent(metrics[key]) if key in SHARES else wording.number(metrics[key])),
            ],
            className="tile tile-main" if key in {"accuracy", "macro_f1"} else "tile",
        )
        for key in keys
    ]
    return card(
        html.Dl(tiles, className="tiles"), _verdict(metrics), title="Best state, on the validation rows"
    )


def _verdict(metrics: dict[str, float]) -> Node:
    accuracy, majority = metrics.get("accuracy"), metrics.get("majority_rate")
    if accuracy is None or majority is None:
        return None
    gain = accuracy - majority
    if gain <= 0:
        text = "It is no better than always answering with the most frequent class: it has learnt nothing of use yet."
        return message("warning", "Not better than guessing", text)
    points = f"{100 * gain:.1f}"
    return html.P(f"{points} points above always answering with the most frequent class.", className="quiet")


def _report(report: Report) -> Node:
    rows = sorted(report.per_class, key=lambda row: (-row.support, row.label))
    cells = [
        [
            name(row.label),
            _score(row.precision),
            _score(row.recall),
            _score(row.f1),
            wording.whole(row.support),
        ]
        for row in rows[:MAX_CLASSES]
    ]
    header = ("Class", "Precision", "Recall", "F1", "Rows")
    pairs: list[tuple[str, Node]] = [
        ("rows trained on", wording.whole(report.split.train)),
        ("rows measured on", wording.whole(report.split.val)),
        ("parameters", wording.whole(report.parameters)),
        ("training took", wording.duration(report.durations.get("training"))),
        ("device", (report.hardware and report.hardware.gpu) or report.device),
    ]
    notes = [html.Li(note, dir="auto") for note in report.notes]
    more = len(rows) - MAX_CLASSES
    return card(
        html.Div(
            table(header, cells, "Figures by class", numeric=(1, 2, 3, 4), stacked=True), className="tall"
        ),
        html.P(f"The {more} rarest classes are in report.json.", className="quiet") if more > 0 else None,
        facts(pairs),
        html.Ul(notes, className="notes") if notes else None,
        title="By class",
    )


def _score(share: float) -> Node:
    bar = html.Span(className="bar", style={"width": f"{100 * share:.0f}%"})
    return html.Span([bar, html.Span(wording.percent(share))], className="score")


def _artifacts(artifacts: list[Artifact]) -> Node:
    rows = [
        [
            # a plain link: the browser downloads, Dash must not take it for a page
            html.A(entry["name"], href=entry["download_url"], download=entry["name"], className="row-link"),
            wording.size(entry["size"]),
            html.Span(
                [
                    html.Code(entry["sha256"][:12] + "…", title=entry["sha256"]),
                    html.Button(
                        "copy",
                        type="button",
                        className="chart-toggle",
                        **attributes(
                            data_copy=entry["sha256"], aria_label=f"Copy the checksum of {entry['name']}"
                        ),
                    ),
                ],
                className="checksum",
            ),
        ]
        for entry in artifacts
    ]
    return card(
        table(("File", "Size", "SHA-256"), rows, "Artifacts", numeric=(1,), stacked=True), title="Artifacts"
    )


def timeline(job: JobDetail) -> Node:
    """Show the states a job went through."""
    steps = job["history"]
    items = [
        dmc.TimelineItem(
            [
                html.Div(step["reason"], className="quiet", dir="auto") if step["reason"] else None,
                html.Time(wording.clock(step["at"]), dateTime=step["at"], className="quiet"),
            ],
            title=_step_title(step, steps),
        )
        for step in steps
    ]
    return card(
        dmc.Timeline(
            items,
            active=len(items) - 1,
            bulletSize=14,
            lineWidth=2,
            color=wording.STATE_COLORS.get(job["state"], "gray"),
        ),
        title="What happened",
    )


def _step_title(step: Step, steps: list[Step]) -> str:
    word = wording.state(step["state"]).capitalize()
    return f"{word} (attempt {step['attempt']})" if steps[-1]["attempt"] > 1 else word
