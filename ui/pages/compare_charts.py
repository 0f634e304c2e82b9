"""The charts that compare jobs, which compare.js and parallel.js draw: curves, and a line for each job through settings and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import html

from ui import wording
from ui.pages.job_live import CHARTS
from ui.parts import JSON, Node, attributes, card, name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import JobDetail
    from ui.pages.compare_settings import Difference

LEAST_LINES = 3  # two lines say less than the table
MOST_FOLLOWED = 3  # jobs that run; a browser allows six connections to one origin, for all tabs together
MOST_AXES = 10  # more cannot be read beside each other
AXES = ("accuracy", "macro_f1", "loss")  # figures that get one


def link(job: JobDetail) -> Node:
    """Give a job's name, which leads to it."""
    return dmc.Anchor(name(job["name"]), href=f"/jobs/{job['id']}", className="row-link")


def swatch(place: int) -> Node:
    """Give a patch of a job's colour, which compare.js knows."""
    return html.Span(className="swatch", **attributes(data_place=str(place), aria_hidden="true"))


def charts(jobs: Sequence[JobDetail], differences: Sequence[Difference]) -> list[Node]:
    """Give the places of all charts, with one legend for them."""
    curves = [
        card(
            html.Div(
                id=f"compare-{key}", className="chart waiting", role="group", **attributes(aria_label=f"{title} over epochs, by job")
            ),
            title=title,
            className="chart-card",
        )
        for key, title in CHARTS
    ]  # fmt: skip
    legend = html.Ul(
        [html.Li([swatch(place), link(job)]) for place, job in enumerate(jobs)], className="legend"
    )
    running = sum(job["state"] in wording.ACTIVE for job in jobs)
    rest = (
        f" Of the {running} jobs that run, {MOST_FOLLOWED} are followed live; load the page anew for the others."
        if running > MOST_FOLLOWED
        else ""
    )
    about = html.P(f"Solid lines are validation, dotted ones training.{rest}", className="quiet")
    drawn: list[Node] = [
        about,
        html.Div([legend, html.Div(curves, className="charts")], className="legended"),
    ]
    if len(jobs) >= LEAST_LINES and len(axes(jobs, differences)) > 1:
        drawn.append(_parallel(len(differences), sum(axis["setting"] for axis in axes(jobs, differences))))
    return drawn


def _parallel(differences: int, shown: int) -> Node:
    left_out = differences - shown
    more = f" Settings in the table only: {left_out}." if left_out else ""
    return card(
        html.P(f"A line is a job: point at one, or reach it by the tab key, to see it alone.{more}", className="quiet"),
        html.Div(
            html.Div(
                id="compare-parallel",
                className="parallel",
                role="group",
                **attributes(aria_label="Settings and figures of each job as a line"),
            ),
            className="parallel-scroll",
        ),
        html.P("", id="compare-told", className="parallel-told"),
        title="Settings and figures",
    )  # fmt: skip


def axes(jobs: Sequence[JobDetail], differences: Sequence[Difference]) -> list[JSON]:
    """Give the axes of the lines: settings whose values fit a tick, then figures, as far as they differ.

    Returns:
        {label, setting: whether it is one, values: of each job a number, a text or None, texts: the same for people}.
    """
    figures = []
    for key in AXES:
        values = [job["metrics"].get(key) for job in jobs]
        if len({value for value in values if value is not None}) > 1:
            texts = [figure(key, value) for value in values]
            label = wording.capitalized(wording.metric_name(key))
            figures.append({"label": label, "setting": False, "values": values, "texts": texts})
    settings = [
        {
            "label": each.name,
            "setting": True,
            "values": [_plain(value) for value in each.values],
            "texts": [lines[0] for lines in each.texts],
        }
        for each in differences
        if each.is_short
    ]
    return [*settings[: MOST_AXES - len(figures)], *figures]


def _plain(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number or value is None else str(value)


def figure(key: str, value: float | None) -> str:
    """Write a metric as people read it: a share in per cent, a loss as a number."""
    return wording.number(value) if is_loss(key) or key == "best_epoch" else wording.percent(value)


def is_loss(key: str) -> bool:
    """Say whether less of it is better."""
    return any(part in key for part in ("loss", "ece", "brier"))
