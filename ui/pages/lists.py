"""Tables of jobs and data sets, as several pages show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import html

from ui import wording
from ui.parts import JSON, Node, attributes, link_button, message, name, state_badge, table, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import DatasetSummary, JobSummary
    from ui.routing import Query

# A browser opens six connections to one origin; each followed job keeps one, and the stream of changes another
FOLLOWED = 3
_TRY = re.compile(r"/jobs/[A-Za-z0-9_-]{1,64}/try")


def jobs_table(jobs: Sequence[JobSummary]) -> Node:
    """List jobs; live_list.js follows the first active ones."""
    header = ("Job", "State", "Predicts", "Accuracy", "Macro F1", "Took", "Created")
    active = [job["id"] for job in jobs if job["state"] in wording.ACTIVE][:FOLLOWED]
    rows = [_job_row(job, followed=job["id"] in active) for job in jobs]
    return table(header, rows, "Jobs", numeric=(3, 4, 5), stacked=True)


def _job_row(job: JobSummary, *, followed: bool) -> list[Node]:
    metrics = job["metrics"]
    state: list[Node] = [state_badge(job["state"])]
    if job["reason"] and job["state"] in {"failed", "timed_out"}:
        state.append(html.Div(job["reason"], className="cell-note", title=job["reason"], dir="auto"))
    return [
        html.Div(
            [
                dmc.Anchor(name(job["name"]), href=f"/jobs/{job['id']}", className="row-link"),
                html.Div(name(f"{job['dataset_name']} · {job['model']}"), className="cell-note"),
            ],
            className="cell-name",
        ),
        html.Div(state, **(_followed(job) if followed else {})),
        name(job["target"] or "–"),
        wording.percent(metrics.get("accuracy")),
        wording.percent(metrics.get("macro_f1")),
        wording.between(job["started_at"], job["finished_at"]),
        when(job["created_at"]),
    ]


def _followed(job: JobSummary) -> JSON:
    return attributes(data_follow_job=job["id"])


def running_card(job: JobSummary, *, followed: bool) -> Node:
    """Show a job that runs now; live_list.js moves its bar."""
    return html.Div(
        [
            html.Div(
                [
                    dmc.Anchor(name(job["name"]), href=f"/jobs/{job['id']}", className="row-link"),
                    state_badge(job["state"]),
                ],
                className="split",
            ),
            html.Div(
                name(f"{job['dataset_name']} · {job['model']} · predicts {job['target']}"),
                className="cell-note",
            ),
            html.Div(html.Div(className="follow-fill"), className="follow-bar"),
            html.Div(_waits_for(job["state"]) if followed else "", className="cell-note follow-text"),
        ],
        className="running",
        **(_followed(job) if followed else {}),
    )


def _waits_for(state: str) -> str:
    return "Waiting for a free place" if state == "queued" else "Waiting for its first sign of life…"


def datasets_table(datasets: Sequence[DatasetSummary]) -> Node:
    """List data sets."""
    rows = [
        [
            html.Div(
                dmc.Anchor(name(dataset["name"]), href=f"/datasets/{dataset['id']}", className="row-link"),
                className="cell-name",
            ),
            _dataset_state(dataset),
            wording.whole(dataset["rows"]),
            wording.whole(dataset["n_columns"]),
            wording.whole(dataset["files"]),
            wording.size(dataset["bytes"]),
            when(dataset["created_at"]),
        ]
        for dataset in datasets
    ]
    header = ("Data set", "State", "Rows", "Columns", "Files", "Size", "Created")
    return table(header, rows, "Data sets", numeric=(2, 3, 4, 5), stacked=True)


def _dataset_state(dataset: DatasetSummary) -> Node:
    if dataset["state"] == "ready" and not dataset["rows"]:
        return dmc.Badge("no rows", color="orange", variant="light", radius="sm", className="badge")
    if dataset["state"] not in {"uploaded", "uploading"}:
        return state_badge(dataset["state"])
    reading = {"detected": "rows read", "failed": "rows not read"}.get(
        dataset["schema_state"], "reading rows"
    )
    storing = {"staged": "files stored", "failed": "files not stored"}.get(
        dataset["staging_state"], "storing files"
    )
    tracks = f"{reading}, {storing}"
    return html.Div([state_badge(dataset["state"]), html.Div(tracks, className="cell-note")])


def way_back(query: Query, title: str, text: str, dataset_id: str = "") -> Node:
    """Lead back to the model that a table was to be uploaded for, if the address names one as `then`; never to anything else.

    Args:
        query: Of the address.
        title: What is to be done here.
        text: Of the link.
        dataset_id: What to choose there.
    """
    then = query.get("then", "")
    if not _TRY.fullmatch(then):
        return None
    href = f"{then}?dataset={dataset_id}" if dataset_id else then
    return message("info", title, html.Div(link_button(text, href), className="actions"))


def page_count(total: int, page_size: int) -> int:
    """Give how many pages a list has, at least one."""
    return max(1, -(-total // page_size))


def pages(count: int, page_id: str, value: int = 1) -> Node:
    """Turn pages of a list.

    It stands beside the list and never inside it: a callback that puts its own input on the page runs for ever.
    """
    return dmc.Pagination(
        id=page_id,
        total=count,
        value=value,
        size="sm",
        className="pages",
        hideWithOnePage=True,
        **attributes(aria_label="Pages"),
    )
