"""Several jobs beside each other: their figures, the settings in which they differ, their curves in one chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html

from client import Api, ApiError, Refused
from ui import wording
from ui.choices import search_choices
from ui.pages.job_live import CHARTS
from ui.pages.job_settings import flat_settings
from ui.parts import JSON, Node, attributes, card, empty, failure, heading, message, name, state_badge, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import JobDetail, JobSummary
    from ui.routing import Query

OFFERED = 50  # jobs to choose from at a time, newest first; a search finds the others
MOST = 12  # jobs at a time: more curves than this cannot be told apart
FACTS = ("majority_rate", "best_epoch")  # of which more is not better
FIGURES = ("accuracy", "macro_f1", "weighted_f1", "val_loss")  # shown first, where jobs have them


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query names jobs by their ids, joined by commas."""
    wanted = [job_id for job_id in query.get("jobs", "").split(",") if job_id]
    jobs, lost = _look_up(api, wanted)
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
            html.Div(_compared(jobs), id="compare-result"),
            dcc.Store(id="compare-drawn", data=_drawn(jobs)),
            html.Div(id="compare-mounted", hidden=True),
        ],
        id="compare-page",
    )


def register(app: Dash, api: Api) -> None:
    """Compare anew when the choice changes, and keep it in the address."""

    @app.callback(
        Output("compare-result", "children"),
        Output("compare-drawn", "data"),
        Input("compare-jobs", "value"),
        prevent_initial_call=True,
    )
    def _choose(chosen: list[str] | None) -> tuple[Node, list[JSON]]:
        try:
            jobs, _ = _look_up(api, chosen or [])
        except ApiError as error:
            return failure(error), []
        return _compared(jobs), _drawn(jobs)

    search_choices(app, "compare-jobs", lambda typed: _choices(api, typed, []))

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "mountCompare"),
        Output("compare-mounted", "children"),
        Input("compare-drawn", "data"),
    )


def differing(jobs: Sequence[JobDetail]) -> list[tuple[str, list[Any]]]:
    """Give each setting that is not the same in all jobs, with its value in each; None where a job has no such setting."""
    flat = [flat_settings(job) for job in jobs]
    names = dict.fromkeys(key for settings in flat for key in settings)
    values = {key: [settings.get(key) for settings in flat] for key in names}
    return [(key, each) for key, each in values.items() if any(value != each[0] for value in each)]


def figures(jobs: Sequence[JobDetail]) -> list[str]:
    """Give the metrics that any of the jobs has, the usual ones first."""
    there = dict.fromkeys(key for job in jobs for key in job["metrics"])
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


def _compared(jobs: Sequence[JobDetail]) -> Node:
    if not jobs:
        return empty("Nothing to compare yet", "Choose two jobs or more, of any data set and model.")
    return [_figures(jobs), _differences(jobs), *_charts(len(jobs) > 2)]  # noqa: PLR2004 - two lines say less than the table


def _figures(jobs: Sequence[JobDetail]) -> Node:
    keys = figures(jobs)
    best = {key: _best(key, jobs) for key in keys}
    rows = []
    for place, job in enumerate(jobs):
        metrics = job["metrics"]
        cells: list[Node] = [
            html.Div([_swatch(place), _link(job)], className="compare-name"),
            state_badge(job["state"]),
        ]
        for key in keys:
            value = metrics.get(key)
            text = _figure(key, value)
            shown: Node = html.Strong(text) if value is not None and value == best[key] else text
            cells.append(html.Span(shown, **attributes(data_value="" if value is None else str(value))))
        cells.append(wording.between(job["started_at"], job["finished_at"]))
        rows.append(cells)
    header = ["Job", "State", *(_title(key) for key in keys), "Took"]
    numbers = range(2, len(header))
    return card(
        html.P("Bold is best. Press a heading to sort.", className="quiet"),
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
    return float(min(values) if _is_loss(key) else max(values))


def _title(key: str) -> str:
    words = wording.metric_name(key)
    return words[:1].upper() + words[1:]


def _is_loss(key: str) -> bool:
    return any(part in key for part in ("loss", "ece", "brier"))


def _figure(key: str, value: float | None) -> str:
    return wording.number(value) if _is_loss(key) or key == "best_epoch" else wording.percent(value)


def _differences(jobs: Sequence[JobDetail]) -> Node:
    rows = differing(jobs)
    if not rows:
        text = "All settings are the same." if len(jobs) > 1 else "One job alone differs from nothing."
        return card(html.P(text, className="quiet"), title="Settings that differ")
    header = [
        "Setting",
        *(html.Div([_swatch(place), _link(job)], className="compare-head") for place, job in enumerate(jobs)),
    ]
    cells = [[key.replace("_", " "), *(name(_written(value)) for value in values)] for key, values in rows]
    shown = html.Div(table(header, cells, "Settings that differ"), className="differences")
    return card(shown, title="Settings that differ")


def _written(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _charts(parallel: bool) -> list[Node]:  # noqa: FBT001 - it is the only argument
    charts = [
        card(
            html.Div(
                id=f"compare-{key}", className="chart waiting", role="group", **attributes(aria_label=f"{title} over epochs, by job")
            ),
            title=title,
            className="chart-card",
        )
        for key, title in CHARTS
    ]  # fmt: skip
    about = html.P(
        "Each job has the colour it has above; validation is drawn in full, training dotted.",
        className="quiet",
    )
    drawn: list[Node] = [about, html.Div(charts, className="charts")]
    if parallel:
        drawn.append(
            card(
                html.P("Drag along an axis to pick jobs; drag its name to move it.", className="quiet"),
                html.Div(id="compare-parallel", className="chart parallel", role="group",
                         **attributes(aria_label="Settings and figures of each job as a line")),
                title="Settings and figures",
                className="wide-chart",
            )
        )  # fmt: skip
    return drawn


def _drawn(jobs: Sequence[JobDetail]) -> list[JSON]:
    """Give what compare.js draws: curves are fetched there, by job."""
    settings, keys = dict(differing(jobs)), figures(jobs)
    return [
        {
            "id": job["id"],
            "name": job["name"],
            "settings": {key: _axis(values[place]) for key, values in settings.items()},
            "metrics": {wording.metric_name(key): job["metrics"].get(key) for key in keys},
        }
        for place, job in enumerate(jobs)
    ]


def _axis(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number or value is None else _written(value)


def _link(job: JobDetail) -> Node:
    return dmc.Anchor(name(job["name"]), href=f"/jobs/{job['id']}", className="row-link")


def _swatch(place: int) -> Node:
    return html.Span(className="swatch", **attributes(data_place=str(place), aria_hidden="true"))
