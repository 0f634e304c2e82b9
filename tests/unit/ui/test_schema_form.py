from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from ui.schema_form import NotAllowed, automatic, control, fields_of, parse


class Params(BaseModel):
    layers: int = Field(default=2, ge=1, le=8, description="hidden layers")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    rate: float = Field(default=1e-3, gt=0)
    augment: bool = True
    title: str = "x"
    limit: int | None = None
    mirror: bool | None = None
    order: Literal["up", "down"] | None = None
    sizes: list[int] = [1, 2]


FIELDS = {field.name: field for field in fields_of(Params.model_json_schema())}


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("layers", "3", 3),
        ("layers", " 8 ", 8),
        ("dropout", "0", 0.0),
        ("rate", "1e-4", 1e-4),
        ("augment", None, False),
        ("augment", True, True),
        ("title", "", ""),
        ("limit", "", None),
        ("limit", "5", 5),
        ("mirror", None, None),
        ("mirror", "true", True),
        ("mirror", "false", False),
        ("order", None, None),
        ("order", "up", "up"),
        ("sizes", "[3]", [3]),
    ],
)
def test_what_is_typed_becomes_a_value(name, raw, value):
    assert parse(FIELDS[name], raw) == value


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("layers", "", "needed"),
        ("layers", "2.5", "whole number"),
        ("layers", "\u0663", "whole number"),  # an Arabic-Indic digit, which int() would take
        ("layers", "9", "1 to 8"),
        ("dropout", "1", "at least 0, below 1"),
        ("dropout", "nan", "at least 0, below 1"),
        ("rate", "0", "above 0"),
        ("rate", "fast", "1e-3"),
        ("sizes", "1, 2", "JSON"),
    ],
)
def test_what_does_not_fit_is_told_with_what_does(name, raw, said):
    with pytest.raises(NotAllowed, match=said):
        parse(FIELDS[name], raw)


def test_enums_behind_a_reference_become_choices():
    schema = {
        "$defs": {"Net": {"enum": ["small", "large"], "type": "string"}},
        "properties": {"net": {"$ref": "#/$defs/Net", "default": "small", "description": "which"}},
    }
    (field,) = fields_of(schema)
    assert (field.kind, field.choices, field.default, field.help) == (
        "choice",
        ("small", "large"),
        "small",
        "which",
    )


def test_titles_read_like_sentences():
    schema = {
        "properties": {
            "learning_rate": {"title": "Learning Rate"},
            "lr": {"title": "Rate of Ada"},
            "two_words": {},
        }
    }
    assert [field.title for field in fields_of(schema)] == ["Learning rate", "Rate of Ada", "Two words"]


def test_every_control_shows_default_range_and_help():
    shown = control(FIELDS["layers"], "job", kept="ds1").to_plotly_json()["props"]
    assert shown["value"] == "2"
    assert shown["description"] == "Hidden layers; 1 to 8"
    assert shown["id"] == {"form": "job", "field": "layers"}


def test_a_setting_with_a_title_of_its_own_says_what_it_is_called_elsewhere():
    schema = {"properties": {"eval_steps": {"type": "integer", "title": "Validation interval", "minimum": 1}}}
    (field,) = fields_of(schema)
    assert control(field, "job", kept="ds1").description == "At least 1; elsewhere called eval_steps"


@pytest.mark.parametrize("name", ["limit", "mirror", "order"])
def test_what_may_stay_unset_is_shown_as_automatic(name):
    shown = control(FIELDS[name], "param", kept="ds1").to_plotly_json()["props"]
    assert (shown["value"] or None, shown["placeholder"]) == (None, "automatic")


def test_what_a_setting_is_where_it_is_unset_may_be_told_by_itself():
    (field,) = fields_of(
        {"properties": {"budget": {"anyOf": [{"type": "number"}, {"type": "null"}], "unset": "no limit"}}}
    )
    assert control(field, "job", kept="ds1").placeholder == "no limit"


PRESETS = {
    "properties": {"preset": {"default": "balanced"}},
    "presets": {
        "fast": {"epochs": 8, "dropout": 0.3, "augment": True, "size": None},
        "balanced": {"epochs": 16, "dropout": 0.3, "augment": True, "size": None},
        "best": {"epochs": 24, "dropout": 0.3, "augment": True, "size": None},
    },
}


@pytest.mark.parametrize(
    ("name", "schema", "told"),
    [
        ("epochs", PRESETS, "automatic: 16 (fast 8, best 24)"),
        ("dropout", PRESETS, "automatic: 0.3"),
        ("augment", PRESETS, "automatic: yes"),
        ("size", PRESETS, "automatic"),
        ("other", PRESETS, "automatic"),
        ("epochs", {}, "automatic"),
    ],
)
def test_what_is_automatic_is_told_as_far_as_presets_know_it(name, schema, told):
    assert automatic(name, schema) == told
