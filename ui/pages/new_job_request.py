"""From the new job form to the body of POST /api/training_jobs/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from contracts.job import JobSpec
from ui import schema_form
from ui.schema_form import Field, NotAllowed

if TYPE_CHECKING:
    from client.types import ColumnType, JobWish, Model
    from ui.parts import JSON

BASIC = ("epochs", "learning_rate", "batch_size", "time_budget", "validation_split")
# As services/api takes them; unset, the launcher's defaults count
RESOURCES = (
    Field("cpus", "CPUs", "that the trainer may use", "number", None, optional=True, low=0.25, high=192),
    Field(
        "memory_mb",
        "Memory, MB",
        "more than this ends it",
        "integer",
        None,
        optional=True,
        low=256,
        high=2_000_000,
    ),
    Field(
        "max_seconds",
        "Longest run, seconds",
        "after which it is stopped, attempts that follow by themselves included",
        "integer",
        None,
        optional=True,
        low=10,
        high=30 * 86_400,
    ),
    Field(
        "max_retries",
        "Retries",
        "how often it is tried again by itself, from its checkpoint, where it ended by nobody's fault",
        "integer",
        None,
        optional=True,
        low=0,
        high=20,
    ),
    Field(
        "max_idle_seconds",
        "Longest silence, seconds",
        "without a report, after which it is stopped as hung; 0: never",
        "integer",
        None,
        optional=True,
        low=0,
        high=30 * 86_400,
    ),
)
ADVANCED = ("seed", "eval_steps", "split_column", "pretrained")


class Column(TypedDict):
    """A column of the form, as its data set has it."""

    name: str
    type: ColumnType


@dataclass(frozen=True)
class Form:
    """Everything that stands in the form."""

    dataset_id: str
    model: str
    models: list[Model]
    name: str | None
    target: str | None
    columns: list[Column]
    features: list[bool]
    types: list[str]
    values: dict[tuple[str, str], Any]

    @property
    def ticked(self) -> dict[str, int]:
        """The columns to learn from, and their places in the form; none where there are too many for controls."""
        return {
            column["name"]: place
            for place, (column, used) in enumerate(zip(self.columns, self.features, strict=True))
            if used and column["name"] != self.target
        }


def settings_fields(names: tuple[str, ...]) -> list[Field]:
    """Give the settings that every model has, as the job's wire format defines them."""
    return schema_form.fields_of(JobSpec.model_json_schema(), names)


def titles(*models: Model) -> dict[str, str]:
    """Give the words for settings by their names, as the form has them: of every job, and of some models."""
    of_models = [field for model in models for field in schema_form.fields_of(model["params_schema"])]
    every = (*of_models, *settings_fields((*BASIC, *ADVANCED)), *RESOURCES)
    return {field.name: field.title for field in every}


def path(group: str, field: str, model: str) -> str:
    """Give the name under which the API reports an error of a control."""
    if group == "job":
        return field
    # a control of a model that is not chosen can have none
    return f"params.{field}" if group == f"param:{model}" else f"{group}.{field}"


def build(form: Form) -> tuple[JobWish, dict[str, str]]:
    """Make the body.

    Returns:
        The body, and what is wrong in the form by the API's name of the field. The body counts only where nothing is.
    """
    errors: dict[str, str] = {}
    body: JSON = {"dataset_id": form.dataset_id, "model": form.model, "start": True}
    if form.name and form.name.strip():
        body["name"] = form.name.strip()
    if form.target:
        body["target"] = form.target
    else:
        errors["target"] = "Pick the column to predict."
    body |= _columns(form, errors)
    body |= _values(form, "job", settings_fields((*BASIC, *ADVANCED)), errors)
    if resources := _values(form, "resources", list(RESOURCES), errors):
        body["resources"] = resources
    model = next((model for model in form.models if model["name"] == form.model), None)
    if model is None:
        errors["model"] = "Pick a model."
    else:
        body["params"] = _values(
            form, f"param:{form.model}", schema_form.fields_of(model["params_schema"]), errors
        )
    # Which settings there are, JobSpec and the model say; the platform checks them
    return cast("JobWish", body), errors


def _columns(form: Form, errors: dict[str, str]) -> JSON:
    if not form.columns:
        return {}  # too many for controls: the API takes the data set's roles
    chosen = list(form.ticked)
    if not chosen:
        errors["feature_columns"] = "Tick at least one column to learn from."
    types = {
        column["name"]: kind
        for column, kind in zip(form.columns, form.types, strict=True)
        if kind != column["type"]
    }
    return {"feature_columns": chosen} | ({"column_types": types} if types else {})


def _values(form: Form, group: str, fields: list[Field], errors: dict[str, str]) -> JSON:
    values: JSON = {}
    for field in fields:
        try:
            value = schema_form.parse(field, form.values.get((group, field.name)))
        except NotAllowed as error:
            errors[path(group, field.name, form.model)] = str(error)
            continue
        if value is not None or field.default is not None:
            values[field.name] = value
    return values
