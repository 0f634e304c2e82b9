"""Several jobs beside each other: their figures, the settings in which they differ, their curves in one chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html

from client import Api, ApiError, Refused
from ui import wording
from ui.choices import search_choices
from ui.pages.compare_charts import MOST_FOLLOWED, axes, charts, figure, is_loss, link, swatch
from ui.pages.compare_settings import Difference, differing
from ui.parts import JSON, Node, attributes, card, empty, failure, heading, message, name, state_badge, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import JobDetail, JobSummary
    from ui.routing import Query

OFFERED = 50  # jobs to choose from at a time, newest first; a search finds the others
MOST = 12  # jobs at a time: more curves than this cannot be told apart
FACTS = ("majority_rate", "best_epoch")  # of which more is not better
TITLES = {"majority_rate": "largest class", "ece": "calibration error", "brier": "Brier score"}
CALIBRATION = " The calibration error (ECE) is how far probabilities are, on average, from the share of answers that is right."
SO_FAR = ("accuracy", "macro_f1", "loss")  # figures that compare.js fills in while a job runs
FIGURES = ("accuracy", "macro_f1", "weighted_f1", "loss")  # shown first, where jobs have them


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query names jobs by their ids, joined by commas."""
    wanted = [job_id for job_id in query.get("jobs", "").split(",") if job_id]
    jobs, lost = _look_up(api, wanted)
    differences = _look_into(api, jobs)
    return html.Div(
        [
            heading("Compare jobs"),
            card(
                dmc.MultiSelect(
                    id="compare-jobs",
                    label="Jobs",
                    description=f"Up to {MOST}. The address of this page keeps the choice.",
                    data=_choices(api, "", jobs),
                    value=[job["id"] for job in jobs],
                    searchable=True,
                    clearable=True,
                    maxValues=MOST,
                    searchValue="",
                    nothingFoundMessage="No job has such a name",
                    placeholder="" if jobs else "Choose jobs",
                    hidePickedOptions=True,
                ),
            ),
            html.Div(
                [message("warning", "A job is not there", f"There is no job {job_id!r}.") for job_id in lost]
            ),
            html.Div(_compared(jobs, differences), id="compare-result"),
            dcc.Store(id="compare-drawn", data=_drawn(jobs, differences)),
            dcc.Store(id="compare-changed"),
            html.Div(id="compare-mounted", hidden=True),
        ],
        id="compare-page",
    )


def register(app: Dash, api: Api) -> None:
    """Compare anew when the choice changes, and keep it in the address; also when a job's stream tells a new state."""

    @app.callback(
        Output("compare-result", "children"),
        Output("compare-drawn", "data"),
        Input("compare-jobs", "value"),
        Input("compare-changed", "data"),
        prevent_initial_call=True,
    )
    def _choose(chosen: list[str] | None, _changed: Any) -> tuple[Node, JSON]:
        try:
            jobs, _ = _look_up(api, chosen or [])
            differences = _look_into(api, jobs)
        except ApiError as error:
            return failure(error), _drawn([], [])
        return _compared(jobs, differences), _drawn(jobs, differences)

    search_choices(app, "compare-jobs", lambda typed: _choices(api, typed, []))

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "mountCompare"),
        Output("compare-mounted", "children"),
        Input("compare-drawn", "data"),
    )


def figures(jobs: Sequence[JobDetail]) -> list[str]:
    """Give the metrics that any of the jobs has, or will have and is followed by, the usual ones first."""
    there = dict.fromkeys(key for job in jobs for key in job["metrics"])
    if any(job["state"] in wording.ACTIVE for job in jobs):
        there |= dict.fromkeys(SO_FAR)
    return [key for key in FIGURES if key in there] + [key for key in there if key not in FIGURES]


def _look_up(api: Api, ids: Sequence[str]) -> tuple[list[JobDetail], list[str]]:
    jobs: list[JobDetail] = []
    lost = []
    for job_id in list(dict.fromkeys(ids))[:MOST]:
        try:
            jobs.append(api.job(job_id))
        except Refused:
            lost.append(job_id)
    return jobs, lost


def _look_into(api: Api, jobs: Sequence[JobDetail]) -> list[Difference]:
    return differing(jobs, api.models()["items"]) if len(jobs) > 1 else []


def _choices(api: Api, search: str, jobs: Sequence[JobDetail]) -> list[JSON]:
    every: list[JobSummary] = [*jobs, *api.jobs(page_size=OFFERED, search=search)["items"]]
    return [
        {"value": key, "label": label} for key, label in {job["id"]: _choice(job) for job in every}.items()
    ]


def _choice(job: JobSummary) -> str:
    # the browser searches these words too, so they hold all that the API searches
    of = "" if job["dataset_name"] in job["name"] else f" ({wording.isolated(job['dataset_name'])})"
    about = f"{wording.state(job['state'])}, {wording.ago(job['created_at'])}"
    return f"{wording.isolated(job['name'])}{of} — {about}"


def _compared(jobs: Sequence[JobDetail], differences: Sequence[Difference]) -> Node:
    if not jobs:
        return empty("Nothing to compare yet", "Choose two jobs or more, of any data set and model.")
    return [_figures(jobs), _differences(jobs, differences), *charts(jobs, differences)]


def _figures(jobs: Sequence[JobDetail]) -> Node:
    keys = figures(jobs)
    best = {key: _best(key, jobs) for key in keys}
    rows = []
    for place, job in enumerate(jobs):
        metrics = job["metrics"]
        cells: list[Node] = [
            html.Div([swatch(place), link(job)], className="compare-name"),
            html.Div(
                [state_badge(job["state"]), html.Div(id=f"compare-epoch-{job['id']}", className="cell-note")]
            ),
        ]
        for key in keys:
            value = metrics.get(key)
            text = figure(key, value)
            shown: Node = html.Strong(text) if value is not None and value == best[key] else text
            cells.append(
                html.Span(
                    shown,
                    id=f"compare-{key}-{job['id']}",
                    **attributes(data_value="" if value is None else str(value)),
                )
            )
        cells.append(wording.between(job["started_at"], job["finished_at"]))
        rows.append(cells)
    header = ["Job", "State", *(_title(key) for key in keys), "Took"]
    numbers = range(2, len(header))
    return card(
        html.P(
            [
                "Bold is best.",
                html.Span(" Press a heading to sort.", className="with-headings"),
                CALIBRATION if "ece" in keys else None,
            ],
            className="quiet",
        ),
        html.Div(
            table(header, rows, "Figures of the jobs", numeric=tuple(numbers), stacked=True),
            # sorting moves rows behind React's back: another choice gets a table of its own
            key=",".join(job["id"] for job in jobs),
            **attributes(data_sortable="true"),
        ),
        title="Figures",
    )


def _best(key: str, jobs: Sequence[JobDetail]) -> float | None:
    if key in FACTS:
        return None
    values = [job["metrics"][key] for job in jobs if key in job["metrics"]]
    if len(set(values)) < 2:  # noqa: PLR2004 - where all are the same, none is best
        return None
    return float(min(values) if is_loss(key) else max(values))


def _title(key: str) -> str:
    words = TITLES.get(key) or wording.metric_name(key)
    return wording.capitalized(words)


def _differences(jobs: Sequence[JobDetail], differences: Sequence[Difference]) -> Node:
    if not differences:
        text = "All settings are the same." if len(jobs) > 1 else "One job alone differs from nothing."
        return card(html.P(text, className="quiet"), title="Settings that differ")
    header = [
        "Setting",
        *(html.Div([swatch(place), link(job)], className="compare-head") for place, job in enumerate(jobs)),
    ]
    cells = [
        [each.name, *(html.Div([name(line) for line in lines], className="lines") for lines in each.texts)]
        for each in differences
    ]
    shown = html.Div(table(header, cells, "Settings that differ"), className="differences")
    return card(shown, title="Settings that differ")


def _drawn(jobs: Sequence[JobDetail], differences: Sequence[Difference]) -> JSON:
    """Give what compare.js draws: curves are fetched there, by job."""
    followed = [job["id"] for job in jobs if job["state"] in wording.ACTIVE][:MOST_FOLLOWED]
    return {
        "jobs": [
            {"id": job["id"], "name": job["name"], "state": job["state"], "follow": job["id"] in followed}
            for job in jobs
        ],
        "axes": axes(jobs, differences),
    }
