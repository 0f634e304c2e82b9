"""The model of a new job, and all settings that are no columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import html

from ui import schema_form, wording
from ui.pages import new_job_request
from ui.pages.new_job_request import ADVANCED, BASIC
from ui.parts import JSON, Node, card, message

if TYPE_CHECKING:
    from client.types import JobDetail, Machine, Model


def model_card(models: list[Model], former: JobDetail | None, kept: str) -> Node:
    """Give the choice of a model, with every model's own settings; a former job's are filled in."""
    if not models:
        return message("error", "There is no model to train", "The platform lists none at /api/models/.")
    chosen: str = models[0]["name"]
    params: JSON = {}
    if former and any(model["name"] == former["model"] for model in models):
        chosen, params = former["model"], former["settings"].get("params") or {}
    options = [
        dmc.RadioCard(
            html.Div(
                [
                    dmc.RadioIndicator(),
                    html.Div([html.Strong(model["title"]), html.P(model["description"], className="quiet")]),
                ],
                className="model-option",
            ),
            value=model["name"],
            className="model-card",
        )
        for model in models
    ]
    return card(
        dmc.RadioGroup(
            html.Div(options, className="models"),
            id="job-model",
            value=chosen,
            **schema_form.keeping(kept),
            label="Model",
            labelProps={"className": "sr-only"},
        ),
        html.Div([_params(model, params if model["name"] == chosen else None, kept) for model in models]),
        title="Model",
    )


def _params(model: Model, values: JSON | None, kept: str) -> Node:
    # every model's controls stay on the page, so that looking at another model loses nothing
    fields = schema_form.fields_of(model["params_schema"])
    given = values or {}
    controls = [
        schema_form.control(field, f"param:{model['name']}", given.get(field.name), kept=kept)
        for field in fields
    ]
    return html.Div(
        controls or html.P("This model has no settings of its own.", className="quiet"),
        id={"part": "params", "model": model["name"]},
        className="form-grid",
        style={"display": "none"} if values is None else {},
    )


def asked_for(resources: JSON, machine: Machine) -> JSON:
    """Give of a job's resources what somebody chose: the platform writes down what it gave, its own defaults with it."""
    return {name: value for name, value in resources.items() if value != machine.get(name)}


def _told(field: schema_form.Field, machine: Machine) -> schema_form.Field:
    """Let a field say what the platform gives where nothing is asked for."""
    given: Any = machine.get(field.name)
    return field if given is None else replace(field, automatic=f"{field.automatic}: {wording.number(given)}")


def training_card(former: JobDetail | None, machine: Machine, kept: str) -> Node:
    """Give the settings that every model has, and what the trainer may use of the machine."""
    given = former["settings"] if former else {}
    basic, advanced = (
        [
            schema_form.control(field, "job", given.get(field.name), kept=kept)
            for field in new_job_request.settings_fields(names)
        ]
        for names in (BASIC, ADVANCED)
    )
    resources = asked_for(given.get("resources") or {}, machine)
    size = [
        schema_form.control(_told(field, machine), "resources", resources.get(field.name), kept=kept)
        for field in new_job_request.RESOURCES
    ]
    runs_as = wording.LAUNCHERS.get(machine["launcher"], machine["launcher"])
    return card(
        html.Div(basic, className="form-grid"),
        html.Details(
            [html.Summary("More settings"), html.Div(advanced, className="form-grid")], className="more"
        ),
        html.Details(
            [
                html.Summary("Machine"),
                html.P(
                    f"Runs as {runs_as}. That is a setting of the platform, the same for every job.",
                    className="quiet launcher",
                ),
                html.Div(size, className="form-grid"),
            ],
            className="more",
            open=bool(resources),
        ),
        title="Training",
    )
