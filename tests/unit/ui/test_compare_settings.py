"""What counts as a difference between jobs' settings, and which of it becomes an axis."""

from __future__ import annotations

import pytest
from browser.fake_data import MODELS

from ui.pages.compare_charts import MOST_AXES, axes
from ui.pages.compare_settings import differing


def job(model="multimodal", metrics=None, **settings):
    return {
        "id": "1", "name": "one", "model": model, "dataset_name": "animals", "target": "kind", "metrics": metrics or {},
        "settings": settings,
    }  # fmt: skip


def told(*jobs):
    return {each.name: each.texts for each in differing(jobs, MODELS)}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"epochs": 5}, {"epochs": 6}, {"Epochs": [["5"], ["6"]]}),
        ({"validation_split": 0.2, "seed": 0, "pretrained": "auto"}, {}, {}),
        ({"eval_steps": 5}, {}, {"Validation interval": [["5"], ["1"]]}),
        ({"seed": 1}, {}, {"Random seed": [["1"], ["0"]]}),
        ({"batch_size": 32}, {"batch_size": None}, {"Batch size": [["32"], ["automatic"]]}),
        ({"params": {"image_size": 64, "max_tokens": None}}, {"params": {}}, {}),
        ({"params": {"dropout": 0.3}}, {}, {"Dropout": [["0.3"], ["0.1"]]}),
        ({"resources": {"cpus": 2}}, {}, {"CPUs": [["2"], ["automatic"]]}),
        ({"column_types": {"age": "numeric", "a": "text"}}, {"column_types": {"age": "text", "b": "text"}},
         {"Column types": [["age: numeric"], ["age: text"]]}),
        ({"feature_columns": ["age", "legs"]}, {"feature_columns": ["legs", "age"]}, {}),
        ({"feature_columns": ["age", "legs"]}, {"feature_columns": ["legs"]},
         {"Columns, beside 1 in common": [["age"], ["–"]]}),
    ],
)  # fmt: skip
def test_what_differs(one, other, expected):
    assert told(job(**one), job(**other)) == expected


def test_settings_of_another_model_alone_are_no_difference():
    assert told(job(), job("dummy_model")) == {"Model": [["multimodal"], ["dummy_model"]]}
    both = (job(params={"dropout": 0.2}), job("dummy_model"), job(params={"dropout": 0.5}))
    assert told(*both)["Dropout"] == [["0.2"], ["–"], ["0.5"]]


def test_of_many_columns_some_are_named():
    [lines, none] = told(job(feature_columns=[f"c{i}" for i in range(40)]), job())["Columns"]
    assert lines[:2] == ["c0", "c1"]
    assert lines[-1] == "and 28 more"
    assert none == ["–"]


def test_axes_are_few_and_leave_room_for_the_figures():
    params = {f"p{i}": i for i in range(20)}
    jobs = [
        job(metrics={"accuracy": 0.8, "loss": 0.5, "macro_f1": 0.8}, params=params),
        job(metrics={"accuracy": 0.9, "loss": 0.4, "macro_f1": 0.8}, params=dict.fromkeys(params, -1)),
    ]
    found = axes(jobs, differing(jobs, MODELS))
    assert len(found) == MOST_AXES
    assert [axis["label"] for axis in found if not axis["setting"]] == ["Accuracy", "Loss"]
    assert found[-1] == {"label": "Loss", "setting": False, "values": [0.5, 0.4], "texts": ["0.5", "0.4"]}
