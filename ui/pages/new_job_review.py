"""What a new job would be, before it is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from ui import wording
from ui.pages.new_job_request import ADVANCED, BASIC, RESOURCES, settings_fields
from ui.parts import Node, card, facts, name
from ui.schema_form import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ui.api import JSON, Api

LOOKED_AT = 20  # jobs before this one


def review(api: Api, body: JSON, models: Sequence[JSON]) -> Node:
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
        ("expected to take", _estimate(api, body)),
    ]
    return card(facts(pairs), title="This job")


def _changed(body: JSON, model: JSON) -> list[str]:
    given: dict[str, Any] = {}
    for field in settings_fields((*BASIC, *ADVANCED)):
        if body.get(field.name) not in (None, field.default):
            given[field.title] = body[field.name]
    for field in fields_of(model["params_schema"]):
        if body["params"].get(field.name) not in (None, field.default):
            given[field.title] = body["params"][field.name]
    for field in RESOURCES:
        if field.name in body.get("resources", {}):
            given[field.title] = body["resources"][field.name]
    given |= {f"Type of {column}": kind for column, kind in body.get("column_types", {}).items()}
    return [f"{title}: {value}" for title, value in given.items()]


def _estimate(api: Api, body: JSON) -> str:
    """Say how long such jobs took: the same model on the same data, whatever the settings were."""
    jobs = api.jobs(dataset_id=body["dataset_id"], state="succeeded", page_size=LOOKED_AT)["items"]
    took = sorted(
        (wording.moment(job["finished_at"]) - wording.moment(job["started_at"])).total_seconds()  # type: ignore[operator]
        for job in jobs
        if job["model"] == body["model"] and job["started_at"] and job["finished_at"]
    )
    if not took:
        return "unknown: this model has not been trained on these data yet"
    if len(took) == 1:
        return f"about {wording.duration(took[0])}, as the one before did"
    return f"{wording.duration(took[0])} to {wording.duration(took[-1])}, as the {len(took)} before did"
