"""One data set: how far it is, its first rows, and what each column was taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError, Away
from ui import wording
from ui.pages import dataset_columns, dataset_findings, dataset_preview
from ui.pages.lists import way_back
from ui.parts import (
    Node,
    attributes,
    card,
    failure,
    following,
    heading,
    link_button,
    message,
    name,
    progress,
    state_badge,
    when,
)

if TYPE_CHECKING:
    from client.types import DatasetDetail, Track
    from ui.routing import Query

TRACKS_ENDED = {"detected", "staged", "failed"}


def layout(api: Api, dataset_id: str, query: Query) -> Node:
    """Give the page; the query may name a model to go back to."""
    dataset, schema = api.dataset(dataset_id), api.schema(dataset_id)
    preview = api.preview(dataset_id, rows=dataset_preview.ROWS)
    return html.Div(
        [
            dcc.Store(id="dataset-id", data=dataset_id),
            dcc.Store(id="dataset-seen", data=_seen(dataset)),
            dcc.Store(id="dataset-changed"),
            heading(
                name(dataset["name"]),
                about=html.Span(_about(dataset), id="dataset-about"),
                actions=_actions(dataset, trainable=not dataset_findings.has_no_rows(schema)),
            ),
            way_back(query, "Its rows can be predicted now", "Back to the model", dataset_id),
            html.Div(
                _tracks(dataset),
                id="dataset-tracks",
                **attributes(aria_live="polite"),
                **following(f"dataset,staging {dataset_id}", "dataset-changed"),
            ),
            html.Div(dataset_findings.findings(schema), id="dataset-findings"),
            card(dataset_preview.first_rows(preview), title="First rows"),
            dataset_columns.section(schema),
            _confirm_delete(dataset),
        ]
    )


def register(app: Dash, api: Api) -> None:
    """Follow both tracks, delete, and change columns."""
    dataset_columns.register(app, api)

    @app.callback(
        Output("dataset-tracks", "children"),
        Output("dataset-seen", "data"),
        Output("dataset-findings", "children"),
        Output("dataset-about", "children"),
        Input("dataset-changed", "data"),
        State("dataset-id", "data"),
        State("dataset-seen", "data"),
        prevent_initial_call=True,
    )
    def _follow(_changed: object, dataset_id: str, seen: str) -> tuple[Any, ...]:
        try:
            dataset = api.dataset(dataset_id)
            findings = (
                dataset_findings.findings(api.schema(dataset_id)) if _seen(dataset) != seen else no_update
            )
        except Away as error:
            note = message("warning", "Not up to date", f"{error} This page keeps trying.")
            return note, no_update, no_update, no_update
        except ApiError as error:
            return failure(error), no_update, no_update, no_update
        return (
            _tracks(dataset),
            _seen(dataset) if _seen(dataset) != seen else no_update,
            findings,
            _about(dataset),
        )

    @app.callback(
        Output("delete-dialog", "opened"),
        Output("delete-error", "children"),
        Output("location", "href", allow_duplicate=True),
        Input("delete-open", "n_clicks"),
        Input("delete-cancel", "n_clicks"),
        Input("delete-confirm", "n_clicks"),
        State("dataset-id", "data"),
        prevent_initial_call=True,
    )
    def _delete(_open: Any, _cancel: Any, _confirm: Any, dataset_id: str) -> tuple[bool, Node, Any]:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return False, None, no_update
        if ctx.triggered_id != "delete-confirm":
            return ctx.triggered_id == "delete-open", None, no_update
        try:
            api.delete_dataset(dataset_id)
        except ApiError as error:
            return True, failure(error), no_update
        return False, None, "/datasets"


def _seen(dataset: DatasetDetail) -> str:
    """What, when it changes, makes the columns be shown anew."""
    return f"{dataset['schema_track']['state']}/{dataset['schema']['complete']}"


def _about(dataset: DatasetDetail) -> Node:
    return [
        "" if dataset["schema"]["complete"] else "at least ",
        wording.plural(dataset["rows"], "row"),
        " · ",
        wording.plural(dataset["n_columns"], "column"),
        " · ",
        wording.plural(dataset["files"], "file"),
        f" · {wording.size(dataset['bytes'])} · uploaded ",
        when(dataset["created_at"]),
    ]


def _actions(dataset: DatasetDetail, *, trainable: bool) -> list[Node]:
    train = link_button("Train", f"/jobs/new?dataset={dataset['id']}", primary=True, icon_name="play")
    if not trainable:
        train = html.Button(
            "Train",
            type="button",
            disabled=True,
            className="link-button",
            title="The data set has no rows",
            **attributes(aria_describedby="dataset-findings"),
        )
    return [
        dmc.Button("Delete", id="delete-open", variant="default", size="sm"),
        link_button("Jobs", f"/jobs?dataset={dataset['id']}"),
        train,
    ]


def _confirm_delete(dataset: DatasetDetail) -> Node:
    return dmc.Modal(
        [
            html.P(
                [
                    "This deletes ",
                    html.Strong(name(dataset["name"])),
                    " with its files and its ended jobs. It cannot be undone.",
                ]
            ),
            html.Div(id="delete-error"),
            html.Div(
                [
                    dmc.Button("Keep it", id="delete-cancel", variant="default"),
                    dmc.Button("Delete", id="delete-confirm", color="red"),
                ],
                className="actions end",
            ),
        ],
        id="delete-dialog",
        title="Delete this data set?",
        centered=True,
        closeButtonProps={"aria-label": "Close"},
    )


def _tracks(dataset: DatasetDetail) -> Node:
    schema, staging = dataset["schema_track"], dataset["staging_track"]
    if dataset["state"] == "ready":
        return None
    parts: list[Node] = [
        html.Div([state_badge(dataset["state"]), _schema_words(schema, dataset)], className="track")
    ]
    total, done = staging["bytes_total"], staging["bytes_done"]
    if staging["state"] == "failed":
        parts.append(message("error", "The files could not be stored", staging["reason"]))
    elif staging["state"] != "staged":
        share = 100 * done / total if total else 0
        words = f"Storing files: {wording.size(done)} of {wording.size(total)}"
        parts.append(html.Div([html.P(words), progress(share, words)], className="track-bar"))
        if staging["reason"]:
            parts.append(message("warning", "Storing the files does not get on", staging["reason"]))
    if schema["state"] == "failed":
        parts.append(message("error", "The table could not be read", schema["reason"]))
    elif schema["reason"] and schema["state"] not in TRACKS_ENDED:
        parts.append(message("warning", "Reading the table does not get on", schema["reason"]))
    if dataset["state"] == "rejected" and dataset["reason"] and not parts[1:]:
        parts.append(message("error", "This data set cannot be used", dataset["reason"]))
    return card(*parts, className="tracks")


def _schema_words(schema: Track, dataset: DatasetDetail) -> Node:
    words = {
        "pending": "Waiting to read every row. What you see comes from the first rows.",
        "running": "Reading every row. What you see so far comes from the first rows.",
        "detected": f"All {wording.plural(dataset['rows'], 'row')} are read.",
    }
    return html.P(words.get(schema["state"], ""))
