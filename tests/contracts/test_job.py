"""The trainer's environment: every variable's good values are taken, every bad one is named."""

from __future__ import annotations

import json

import pytest

from contracts.job import InvalidSpec, JobSpec

GOOD = {
    "MODEL": "multimodal",
    "JOB_ID": "job-1",
    "ASSETS": '[{"key":"train_file","s3_uri":"s3://bucket/table.csv"}]',
    "S3_BUCKET": "bucket",
    "TARGET_COL": "label",
}


def problems(**changes):
    env = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(InvalidSpec) as caught:
        JobSpec.from_env(env)
    return caught.value.problems


def test_the_least_environment_takes_every_default():
    spec = JobSpec.from_env(GOOD)
    assert (spec.callback_ttl, spec.workdir, spec.validation_split) == (900, "/tmp/trainer", 0.2)
    assert spec.destination == "s3://bucket/jobs/job-1/1"
    assert spec.asset("train_folder") is None


@pytest.mark.parametrize("destination", ["file:///out", "s3://bucket/jobs/1/1", "s3://bucket"])
def test_inputs_beside_the_results_are_read(destination):
    assert (
        JobSpec.from_env({**GOOD, "ARTIFACTS_URI": destination}).asset("train_file")
        == "s3://bucket/table.csv"
    )


def test_assets_json_is_an_alias():
    env = {**GOOD, "ASSETS": "", "ASSETS_JSON": GOOD["ASSETS"]}
    assert JobSpec.from_env(env).asset("train_file") == "s3://bucket/table.csv"


@pytest.mark.parametrize(
    ("raw", "features"), [("a, b", ["a", "b"]), ('["a","b, c"]', ["a", "b, c"]), ("", [])]
)
def test_feature_columns_are_a_comma_list_or_json(raw, features):
    assert JobSpec.from_env({**GOOD, "FEATURE_COLUMNS": raw}).feature_columns == features


def test_what_is_written_is_read_back():
    spec = JobSpec.from_env(
        {
            **GOOD,
            "COLUMN_TYPES": '{"größe":"numeric","label":"categorical"}',
            "MODALITY_COLUMNS": '{"tabular":["größe"]}',
            "DIALECT": '{"encoding":"cp1252","delimiter":";"}',
            "MODEL_PARAMS": '{"width":64}',
            "EPOCHS": "3",
            "LEARNING_RATE": "1e-2",
        }
    )
    assert JobSpec.from_env(spec.to_env()) == spec


def test_the_secret_does_not_show_in_a_log_of_the_spec():
    assert "hush" not in repr(JobSpec.from_env({**GOOD, "CALLBACK_SECRET": "hush"}))


@pytest.mark.parametrize("name", ["MODEL", "JOB_ID", "ASSETS", "TARGET_COL"])
def test_a_missing_required_variable_is_named(name):
    assert any(problem.startswith(f"{name}: is required") for problem in problems(**{name: None}))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MODEL", "../etc", "MODEL: "),
        ("JOB_ID", "a b", "JOB_ID: "),
        ("ATTEMPT", "0", "ATTEMPT: "),
        ("ASSETS", "[", "ASSETS: is not JSON: Expecting value at character 2"),
        ("ASSETS", "[]", "exactly one"),
        ("ASSETS", '[{"key":"train_file","s3_uri":"http://x/y"}]', "not an s3:// or file:// URI"),
        ("ASSETS", '[{"key":"other","s3_uri":"s3://x/y"}]', "ASSETS: "),
        ("ARTIFACTS_URI", "/tmp/x", "ARTIFACTS_URI: "),
        ("API_BASE", "gateway:8080", "API_BASE: "),
        ("CALLBACK_TTL", "5", "CALLBACK_TTL: "),
        ("EPOCHS", "1_000", "EPOCHS: '1_000' is not a whole number"),
        ("EPOCHS", "１０", "is not a whole number"),
        ("EPOCHS", "-1", "EPOCHS: "),
        ("LEARNING_RATE", "fast", "LEARNING_RATE: "),
        ("LEARNING_RATE", "nan", "LEARNING_RATE: "),
        ("BATCH_SIZE", "0", "BATCH_SIZE: "),
        ("VALIDATION_SPLIT", "1", "VALIDATION_SPLIT: "),
        ("FEATURE_COLUMNS", "label,a", "also in FEATURE_COLUMNS"),
        ("FEATURE_COLUMNS", "[1", "FEATURE_COLUMNS: is not JSON"),
        ("MODALITY_COLUMNS", '{"sound":["a"]}', "unknown modality 'sound'; allowed are image, text, tabular"),
        ("COLUMN_TYPES", '{"a":"number"}', "COLUMN_TYPES: "),
        ("DIALECT", '{"delimiter":";"}', "DIALECT: "),
        ("MODEL_PARAMS", "[1]", "MODEL_PARAMS: "),
        ("SEED", "x", "SEED: "),
        ("EVAL_STEPS", "0", "EVAL_STEPS: "),
        ("S3_BUCKET", "", "S3_BUCKET or ARTIFACTS_URI"),
    ],
)
def test_a_bad_value_is_refused_by_the_variables_name(name, value, complaint):
    assert any(complaint in problem for problem in problems(**{name: value}))


def test_reporting_needs_a_secret():
    assert any("CALLBACK_SECRET" in problem for problem in problems(API_BASE="http://gateway"))


def test_all_problems_are_told_at_once():
    found = problems(EPOCHS="x", BATCH_SIZE="0", TARGET_COL=None, ASSETS="{")
    assert {problem.split(":")[0] for problem in found} == {"EPOCHS", "BATCH_SIZE", "TARGET_COL", "ASSETS"}


def test_a_wide_table_survives_the_way_through_the_environment():
    names = [f"column {number}" for number in range(2000)]
    spec = JobSpec.from_env({**GOOD, "FEATURE_COLUMNS": json.dumps(names)})
    assert JobSpec.from_env(spec.to_env()).feature_columns == names
