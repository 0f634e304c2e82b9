from __future__ import annotations

from dataclasses import replace

import pytest
from browser.fake_data import MODELS

from ui import schema_form
from ui.pages import new_job, new_job_request, new_job_settings
from ui.pages.new_job_request import ADVANCED, BASIC, Form

COLUMNS = [
    {"name": "a", "type": "numeric"},
    {"name": "b", "type": "text"},
    {"name": "y", "type": "categorical"},
]


def untouched(**change):
    """A form as it stands when the page is opened."""
    values = {
        ("job", f.name): "" if f.default is None else str(f.default)
        for f in new_job_request.settings_fields((*BASIC, *ADVANCED))
    }
    for model in MODELS:
        for field in schema_form.fields_of(model["params_schema"]):
            values["param:" + model["name"], field.name] = field.default
    types = [column["type"] for column in COLUMNS]
    form = Form("ds1", "multimodal", MODELS, None, "y", COLUMNS, [True, True, True], types, values)
    return replace(form, **change)


def with_value(group, name, raw):
    form = untouched()
    return replace(form, values={**form.values, (group, name): raw})


def test_an_untouched_form_is_accepted_and_starts_the_job():
    body, errors = new_job_request.build(untouched())
    assert errors == {}
    assert body["start"] is True
    assert body["validation_split"] == 0.2
    assert not {"epochs", "learning_rate", "batch_size"} & set(body), "left to the model's preset"
    assert body["params"]["backbone"] == "small_cnn"
    assert "split_column" not in body


def test_the_target_is_never_a_feature():
    body, _ = new_job_request.build(untouched())
    assert body["feature_columns"] == ["a", "b"]


def test_only_changed_types_are_sent():
    body, _ = new_job_request.build(untouched(types=["categorical", "text", "categorical"]))
    assert body["column_types"] == {"a": "categorical"}


def test_the_other_models_settings_are_left_out():
    body, errors = new_job_request.build(untouched(model="dummy_model"))
    assert body["params"] == {"seconds_per_epoch": 0}
    assert errors == {}


def test_a_wide_table_leaves_the_columns_to_the_api():
    body, errors = new_job_request.build(untouched(columns=[], features=[], types=[]))
    assert errors == {}
    assert not {"feature_columns", "column_types"} & set(body)


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        (untouched(target=None), "target", "Pick the column"),
        (untouched(features=[False, False, True]), "feature_columns", "Tick at least one"),
        (untouched(model="gone"), "model", "Pick a model"),
        (with_value("job", "epochs", "0"), "epochs", "1 to"),
        (with_value("job", "learning_rate", "quick"), "learning_rate", "number"),
        (with_value("param:multimodal", "dropout", "1"), "params.dropout", "below 1"),
    ],
)
def test_every_mistake_is_named_by_the_apis_field(form, field, said):
    _, errors = new_job_request.build(form)
    assert said in errors[field]


def test_several_mistakes_are_told_at_once():
    form = with_value("job", "epochs", "many")
    _, errors = new_job_request.build(replace(form, target=None, features=[False] * 3))
    assert set(errors) == {"epochs", "target", "feature_columns"}


DEFAULTS = {"launcher": "local", "cpus": 2.0, "memory_mb": 4096, "max_seconds": 86_400, "price": None}


@pytest.mark.parametrize(
    ("written_down", "chosen"),
    [
        ({"cpus": 2.0, "memory_mb": 4096, "max_seconds": 86_400}, {}),
        (
            {"cpus": 4.0, "memory_mb": 4096, "max_seconds": 86_400, "max_retries": 0},
            {"cpus": 4.0, "max_retries": 0},
        ),
    ],
)
def test_a_job_made_like_another_asks_for_what_that_one_asked_for(written_down, chosen):
    assert new_job_settings.asked_for(written_down, DEFAULTS) == chosen


@pytest.mark.parametrize(
    ("former", "proposed"),
    [
        ("pets", "pets, again"),
        ("pets, again", "pets, again 2"),
        ("pets, again 9", "pets, again 10"),
        ("x" * 300, "x" * 293 + ", again"),
    ],
)
def test_a_job_made_like_another_is_named_after_it(former, proposed):
    assert new_job.again(former) == proposed
