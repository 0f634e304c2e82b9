"""A new job: what to predict from what, with which model and settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError, Refused
from ui import findings
from ui.pages import (
    dataset_findings,
    new_job_columns,
    new_job_pick,
    new_job_request,
    new_job_review,
    new_job_settings,
    new_job_steps,
)
from ui.pages.new_job_request import ADVANCED, BASIC, Column, Form
from ui.parts import JSON, Node, attributes, failure, heading, message, name
from ui.schema_form import UNSET, Field, automatic, keeping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client.types import DatasetColumns, DatasetDetail, JobWish, Model
    from ui.routing import Query

DEFAULT_MODEL = "multimodal"  # as in POST /api/training_jobs/
LONGEST_NAME = 300  # characters that the API takes
_AGAIN = re.compile(r"(?P<stem>.*), again(?: (?P<count>\d{1,4}))?", re.DOTALL)


def layout(api: Api, query: Query) -> Node:
    """Give the page; the query names a job to begin from, or the data set, or one must be picked first."""
    former = api.job(query["from"]) if query.get("from") else None
    dataset_id = former["dataset_id"] if former else query.get("dataset", "")
    if not dataset_id:
        return new_job_pick.pick(api)
    dataset, schema, machine = api.dataset(dataset_id), api.schema(dataset_id), api.machine()
    # a baseline must not be what a newcomer trains by not choosing
    models = sorted(api.models()["items"], key=lambda model: model["name"] != DEFAULT_MODEL)
    about = ["from ", dmc.Anchor(name(dataset["name"]), href=f"/datasets/{dataset_id}")]
    if former:
        about += [", as in ", dmc.Anchor(name(former["name"]), href=f"/jobs/{former['id']}")]
    # what is set in one form is no wish for another one
    kept = former["id"] if former else dataset_id
    anew = html.Button("Begin anew", id="job-anew", type="button", className="link-button")
    return html.Div(
        [
            dcc.Store(id="job-dataset", data=dataset_id),
            dcc.Store(id="job-models", data=models),
            dcc.Store(id="job-started"),
            heading("New job", about=about, actions=[anew]),
            _not_ready(dataset, schema),
            new_job_steps.navigation(),
            html.Div(id="job-errors", tabIndex=-1),
            html.Div(id="job-errors-shown", hidden=True),
            new_job_steps.step("columns", new_job_columns.section(schema, former, kept)),
            new_job_steps.step("model", new_job_settings.model_card(models, former, kept)),
            new_job_steps.step("training", new_job_settings.training_card(former, machine, kept)),
            new_job_steps.step(
                "review",
                html.P(
                    "Checking the data…", id="job-checking", className="quiet", role="status", hidden=True
                ),
                html.Div(id="job-review"),
                _start_bar(again(former["name"]) if former else "", kept),
            ),
        ],
        id="job-form",
        **attributes(data_kept=kept),
    )


def again(title: str) -> str:
    """Propose a name for a job like another one: "pets, again", and then "pets, again 2"."""
    match = _AGAIN.fullmatch(title)
    stem, count = (match["stem"], int(match["count"] or 1) + 1) if match else (title, 1)
    ending = ", again" if count == 1 else f", again {count}"
    return stem[: LONGEST_NAME - len(ending)] + ending


def _unset(field: Field, schema: JSON) -> str:
    """Say what a setting of every job is where it is left unset: what the model's presets say, or else its own words."""
    told = automatic(field.name, schema)
    return field.automatic if told == UNSET else told


def _start_bar(title: str, kept: str) -> Node:
    return html.Div(
        [
            dmc.TextInput(
                id="job-name",
                label="Name (optional)",
                description="To find it again",
                value=title,
                inputProps={"maxLength": LONGEST_NAME},
                className="job-name",
                **keeping(kept),
            ),
            html.Div(
                [
                    dmc.Button("Check again", id="job-check", variant="default"),
                    dmc.Button("Start training", id="job-start"),
                ],
                className="actions",
            ),
        ],
        className="start-bar",
    )


def _not_ready(dataset: DatasetDetail, schema: DatasetColumns) -> Node:
    if dataset_findings.has_no_rows(schema):
        return message("error", "This data set has no rows", dataset_findings.NO_ROWS)
    if dataset["state"] == "ready":
        return None
    if dataset["state"] == "rejected":
        return message("error", "This data set cannot be used", dataset["reason"])
    text = "Its files are still being stored. You can start now; the job waits until they are."
    return message("info", "The data set is not ready yet", text)


def register(app: Dash, api: Api) -> None:
    """Show the chosen model's settings, and start."""
    new_job_columns.register(app, api)
    new_job_pick.register(app, api)
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "showErrors"),
        Output("job-errors-shown", "children"),
        Input("job-errors", "children"),
        prevent_initial_call=True,
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "formSent"),
        Output("location", "href", allow_duplicate=True),
        Input("job-started", "data"),
        prevent_initial_call=True,
    )

    # called at first, too: the browser may have kept another model's choice
    @app.callback(
        Output({"part": "params", "model": ALL}, "style"),
        Output({"form": "job", "field": ALL}, "placeholder"),
        Input("job-model", "value"),
        State({"part": "params", "model": ALL}, "id"),
        State({"form": "job", "field": ALL}, "id"),
        State("job-models", "data"),
    )
    def _choose(
        chosen: str, blocks: list[JSON], controls: list[JSON], models: list[Model]
    ) -> tuple[list[JSON], list[str]]:
        shown = [{} if block["model"] == chosen else {"display": "none"} for block in blocks]
        schema = next((model["params_schema"] for model in models if model["name"] == chosen), {})
        fields = {field.name: field for field in new_job_request.settings_fields((*BASIC, *ADVANCED))}
        unset = [
            _unset(fields[control["field"]], schema) if fields[control["field"]].optional else ""
            for control in controls
        ]
        return shown, unset

    @app.callback(
        Output("job-started", "data"),
        Output("job-errors", "children"),
        Output("job-review", "children"),
        Output({"form": ALL, "field": ALL}, "error"),
        Output("job-target", "error"),
        Output("job-name", "error"),
        Output("job-start", "disabled"),
        Input("job-start", "n_clicks"),
        Input("job-check", "n_clicks"),
        Input({"part": findings.ANYWAY, "codes": ALL}, "n_clicks"),
        State("job-dataset", "data"),
        State("job-models", "data"),
        State("job-model", "value"),
        State("job-name", "value"),
        State("job-target", "value"),
        State({"part": "feature", "index": ALL}, "checked"),
        State({"part": "feature-type", "index": ALL}, "value"),
        State("job-columns", "data"),
        State({"form": ALL, "field": ALL}, "id"),
        State({"form": ALL, "field": ALL}, "value"),
        State({"form": ALL, "field": ALL}, "checked"),
        prevent_initial_call=True,
        running=[
            (Output("job-start", "loading"), True, False),
            (Output("job-check", "disabled"), True, False),
            (Output("job-checking", "hidden"), False, True),
        ],
    )
    def _start(
        _start: int | None,
        _check: int | None,
        _anyway: list[int | None],
        dataset_id: str,
        models: list[Model],
        model: str,
        title: str | None,
        target: str | None,
        features: list[bool],
        types: list[str],
        columns: list[Column],
        controls: list[JSON],
        values: list[Any],
        checked: list[Any],
    ) -> tuple[Any, ...]:
        if not ctx.triggered[0]["value"]:
            return (no_update,) * 3 + ([no_update] * len(controls),) + (no_update,) * 3
        raw = {
            (control["form"], control["field"]): tick if value is None else value
            for control, value, tick in zip(controls, values, checked, strict=True)
        }
        form = Form(dataset_id, model, models, title, target, columns, features, types, raw)
        body, errors = new_job_request.build(form)
        problem: ApiError | None = None
        if not errors:
            try:
                address, shown, stopped = _send(api, body, ctx.triggered_id, form.ticked)
                reviewed = new_job_review.review(api, body, models) if address is no_update else no_update
                return address, shown, reviewed, [None] * len(controls), None, None, stopped
            except ApiError as refused:
                problem = refused
                errors = refused.errors if isinstance(refused, Refused) else {}
        beside = [
            errors.get(new_job_request.path(control["form"], control["field"], model)) for control in controls
        ]
        placed = {new_job_request.path(c["form"], c["field"], model) for c in controls} | {"target", "name"}
        told = _top(problem, errors, placed, checked=ctx.triggered_id == "job-check")
        return no_update, told, None, beside, errors.get("target"), errors.get("name"), False


def _send(api: Api, body: JobWish, pressed: Any, ticked: Mapping[str, int]) -> tuple[Any, Node, bool]:
    """Check or start the job; gives the address to go to, what to show, and whether findings stop it."""
    if pressed == "job-check":
        found = api.check_job(body)["findings"]
        return no_update, findings.checked(found, ticked), findings.stops(found)
    if isinstance(pressed, dict):
        body = {**body, "ignore": pressed["codes"].split(",")}
    try:
        return f"/jobs/{api.create_job(body)['id']}", None, False
    except Refused as refused:
        if not refused.findings:
            raise
        return no_update, findings.refused(refused.findings, ticked), True


def _top(problem: ApiError | None, errors: dict[str, str], placed: set[str], *, checked: bool) -> Node:
    """Say on top what has no place beside a field; `checked` says that nothing was to be started yet."""
    rest = {field: text for field, text in errors.items() if field not in placed}
    if problem and not errors:
        return failure(problem)
    lines = [html.Li(f"{field.replace('_', ' ')}: {text}" if field else text) for field, text in rest.items()]
    steps = dict.fromkeys(new_job_steps.step_of(field) for field in errors if field in placed)
    if steps:
        links = [part for each in steps for part in (", ", new_job_steps.link(each))][1:]
        lines.append(html.Li(["See the fields marked in ", *links, "."]))
    # most often the sentence is made of what the fields say
    repeated = any(f"{field}: {text}" in str(problem) for field, text in rest.items())
    detail = [
        html.P(str(problem)) if problem and rest and not repeated else None,
        html.Ul(lines, className="plain-list"),
    ]
    title = "Some settings cannot be used yet" if checked else "The job was not started"
    return message("error", title, detail)
