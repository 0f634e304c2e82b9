"""What options say about a job: values as JSON, settings apart from the model's parameters."""

from __future__ import annotations

import pytest

from cli.wish import settings_of, wish_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.1", 0.1),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("fast", "fast"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("[1e999]", "[1e999]"),
    ],
)
def test_a_value_is_json_where_a_request_can_hold_it_and_else_text(text, value):
    assert settings_of([f"dropout={text}"], "--set") == {"dropout": value}


def test_what_is_no_setting_of_the_job_is_a_parameter_of_the_model():
    told = wish_of({"epochs": 3, "dropout": 0.1}, dataset_id="d", target=None)
    assert told == {"epochs": 3, "params": {"dropout": 0.1}, "dataset_id": "d"}
