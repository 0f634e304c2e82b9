"""What a new job would be, before it is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from client import Refused
from ui import wording
from ui.pages import new_job_estimate
from ui.pages.new_job_request import ADVANCED, BASIC, RESOURCES, settings_fields
from ui.parts import Node, card, facts, name
from ui.schema_form import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client import Api
    from client.types import JobWish, Model, Price
    from ui.pages.new_job_estimate import Estimate

LEAST_BILLED = 60  # seconds of a Fargate task


def review(api: Api, body: JobWish, models: Sequence[Model]) -> Node:
    """Show a body of POST /api/training_jobs/ in words."""
    model = next(model for model in models if model["name"] == body["model"])
    columns = body.get("feature_columns")
    changed = _changed(body, model)
    pairs: list[tuple[str, Node]] = [
        ("predicts", name(body["target"])),
        (
            "learns from",
            wording.plural(len(columns), "column") if columns else "the columns with the role feature",
        ),
        ("model", model["title"]),
        (
            "changed settings",
            html.Ul([html.Li(text) for text in changed], className="plain-list") if changed else "none",
        ),
    ]
    took = new_job_estimate.estimate(api, body, model)
    pairs += [("expected to take", new_job_estimate.told(took)), ("runs as", _machine(api, body, took))]
    return card(facts(pairs), title="This job", className="review")


def _changed(body: JobWish, model: Model) -> list[str]:
    given: dict[str, Any] = {}
    resources = body.get("resources", {})
    for field in settings_fields((*BASIC, *ADVANCED)):
        value = body.get(field.name)
        if value not in (None, field.default):
            given[field.title] = value
    for field in fields_of(model["params_schema"]):
        if body["params"].get(field.name) not in (None, field.default):
            given[field.title] = body["params"][field.name]
    for field in RESOURCES:
        if field.name in resources:
            given[field.title] = resources.get(field.name)
    given |= {f"Type of {column}": kind for column, kind in body.get("column_types", {}).items()}
    return [f"{title}: {value}" for title, value in given.items()]


def _machine(api: Api, body: JobWish, took: Estimate | None) -> Node:
    """Say what it runs on, and where that is paid for, about how much it will cost."""
    resources = body.get("resources", {})
    try:
        machine = api.machine(cpus=resources.get("cpus"), memory_mb=resources.get("memory_mb"))
    except Refused as refused:
        # there is no machine of this size: said here, where it can still be changed
        return html.Span([html.Strong("Too large: "), str(refused)], className="warn")
    size = f"{wording.number(machine['cpus'])} CPUs, {wording.number(machine['memory_mb'] / 1024)} GB"
    if machine["price"] is None:
        return f"{wording.LAUNCHERS.get(machine['launcher'], machine['launcher'])}: up to {size}"
    longest = resources.get("max_seconds", machine["max_seconds"])
    return html.Ul(
        [
            html.Li(f"{wording.LAUNCHERS.get(machine['launcher'], machine['launcher'])}: {size}"),
            html.Li(_cost(machine["price"], took, longest)),
        ],
        className="plain-list",
    )


def _cost(price: Price, took: Estimate | None, longest: float) -> str:
    def cost(seconds: float) -> str:
        return wording.money(price["per_hour"] * max(LEAST_BILLED, seconds) / wording.HOUR, price["currency"])

    hour = f"{wording.money(price['per_hour'], price['currency'], digits=4)} an hour"
    most = f"at most {cost(longest)}, since it is stopped after {wording.duration(longest)}"
    if took is None:
        return f"{hour}; how long it will take is not known, {most}"
    low, high = cost(took.low), cost(took.high)
    expected = low if low == high else f"{low} to {high}"
    about = expected if expected.startswith("less") else f"about {expected}"
    return f"{about} at {hour}, and the minutes in which the task starts; {most}"
