"""Overrides, targets and a job's settings: what is taken, and what is refused by which field."""

from __future__ import annotations

import json

import pytest

from contracts.job import JobSpec
from contracts.schema import ColumnProfile, ColumnType, DatasetSchema, Dialect, Role, TargetCandidate
from runtime.errors import Invalid
from runtime.settings import InvalidSettings
from services.api import schemas, specs
from services.api.catalogue import Catalogue
from services.api.models import Dataset, Job

CATALOGUE = Catalogue(
    [
        {
            "name": "multimodal",
            "params_schema": {
                "type": "object",
                "properties": {"width": {"type": "integer", "minimum": 8}},
                "additionalProperties": False,
            },
        }
    ]
)


def column(name, kind, *, distinct=5, role=Role.FEATURE, position=0):
    return ColumnProfile(
        name=name,
        position=position,
        type=kind,
        rule="r",
        why="w",
        rows=100,
        missing=0,
        distinct=distinct,
        role=role,
    )


def dataset(**changes):
    found = DatasetSchema(
        dialect=Dialect(encoding="cp1252", delimiter=";"),
        rows=100,
        complete=True,
        columns=[
            column("id", ColumnType.IDENTIFIER, distinct=100, role=Role.LEAVE_OUT),
            column("photo", ColumnType.IMAGE, distinct=100),
            column("price", ColumnType.NUMERIC, distinct=90),
            column("story", ColumnType.TEXT, distinct=99),
            column("same", ColumnType.CONSTANT, distinct=1, role=Role.LEAVE_OUT),
            column("label", ColumnType.CATEGORICAL, distinct=3),
        ],
        targets=[TargetCandidate(column="label", confidence=0.9, why="w", classes=3)],
    )
    values = {
        "id": "d",
        "name": "d",
        "files": 3,
        "detected": found.model_dump(mode="json"),
        "overrides": {},
        "target": None,
    }
    return Dataset(**{**values, **changes})


def test_an_override_replaces_type_and_role_and_keeps_the_rest():
    data = dataset()
    schemas.change(data, {"id": {"type": "text", "role": "feature"}, "price": {"role": "leave_out"}}, "label")
    schemas.change(data, {"id": {"role": "leave_out"}}, None)
    columns = {item.name: item for item in schemas.effective(data)}
    assert (columns["id"].type, columns["id"].role) == (ColumnType.TEXT, Role.LEAVE_OUT)
    assert columns["price"].role is Role.LEAVE_OUT
    assert data.target == "label"


@pytest.mark.parametrize(
    ("columns", "target", "field", "complaint"),
    [
        ({"nope": {"type": "text"}}, None, "nope", "there is no column 'nope'; the columns are id, photo"),
        ({}, "nope", "target", "there is no column 'nope'"),
        ({}, "photo", "target", "names images"),
        ({}, "same", "target", "at least two classes"),
        ({}, "price", "target", "has 90 distinct values in 100 rows"),
    ],
)
def test_a_bad_override_changes_nothing_and_names_its_field(columns, target, field, complaint):
    data = dataset()
    with pytest.raises(Invalid, match=complaint) as caught:
        schemas.change(data, columns, target)
    assert field in caught.value.errors
    assert (data.overrides, data.target) == ({}, None)


def test_a_wish_without_details_takes_the_best_target_and_every_usable_feature():
    target, settings = specs.settle(dataset(), CATALOGUE, {"model": "multimodal"})
    assert target == "label"
    assert settings["feature_columns"] == ["photo", "price", "story"]
    assert settings["column_types"] == {
        "photo": "image",
        "price": "numeric",
        "story": "text",
        "label": "categorical",
    }


@pytest.mark.parametrize(
    ("wish", "field", "complaint"),
    [
        ({"model": "nope"}, "model", "there is no model 'nope'; there are multimodal"),
        ({"params": {"width": 1}}, "params.width", "less than the minimum of 8"),
        ({"params": {"depth": 1}}, "params", "allowed are width"),
        ({"target": "nope"}, "target", "no column 'nope'"),
        ({"target": "photo"}, "target", "names images"),
        ({"feature_columns": ["nope"]}, "feature_columns.nope", "no column 'nope'"),
        ({"feature_columns": ["label", "price"]}, "feature_columns.label", "is the target"),
        ({"feature_columns": ["id"]}, "feature_columns.id", "its type is identifier"),
        ({"column_types": {"nope": "text"}}, "column_types.nope", "no column 'nope'"),
        ({"split_column": "nope"}, "split_column", "no column 'nope'"),
    ],
)
def test_a_bad_wish_names_its_field(wish, field, complaint):
    with pytest.raises(Invalid, match=complaint) as caught:
        specs.settle(dataset(), CATALOGUE, {"model": "multimodal", **wish})
    assert field in caught.value.errors


def test_image_columns_of_a_data_set_without_files_are_no_features():
    _, settings = specs.settle(dataset(files=0), CATALOGUE, {"model": "multimodal"})
    assert settings["feature_columns"] == ["price", "story"]
    with pytest.raises(Invalid, match="uploaded without any file"):
        specs.settle(dataset(files=0), CATALOGUE, {"model": "multimodal", "feature_columns": ["photo"]})


def test_a_table_without_a_candidate_asks_for_a_target():
    data = dataset()
    data.detected = {**data.detected, "targets": []}
    with pytest.raises(Invalid, match="no column was found that could be predicted"):
        specs.settle(data, CATALOGUE, {"model": "multimodal"})


def test_the_trainers_environment_is_a_valid_spec():
    data = dataset(
        train_file="s3://bucket/root/datasets/d/table.csv", train_folder="s3://bucket/root/datasets/d/images/"
    )
    wish = {"model": "multimodal", "epochs": 3, "params": {"width": 16}, "column_types": {"id": "text"}}
    target, settings = specs.settle(data, CATALOGUE, wish)
    job = Job(id="j", model="multimodal", attempt=2, checkpoints_from=1, target=target, settings=settings)
    env = specs.trainer_environment(job, data)
    spec = JobSpec.from_env(env)
    assert spec.destination == "s3://bucket/root/jobs/j/2"
    assert (spec.epochs, spec.model_params, spec.target_col) == (3, {"width": 16}, "label")
    assert spec.dialect is not None
    assert (spec.dialect.encoding, spec.dialect.delimiter) == ("cp1252", ";")
    assert json.loads(env["ASSETS"])[1]["key"] == "train_folder"


def test_the_models_on_offer_are_those_of_the_file(tmp_path):
    listed = tmp_path / "models.json"
    listed.write_text(json.dumps(CATALOGUE.models))
    assert Catalogue.read(listed).models == CATALOGUE.models
    assert "linear_baseline" in {model["name"] for model in Catalogue.read(None).models}


@pytest.mark.parametrize("text", [None, "{", "7", "[1]", '[{"title": "nameless"}]'])
def test_a_file_that_lists_no_models_is_told_at_the_start(tmp_path, text):
    listed = tmp_path / "models.json"
    if text is not None:
        listed.write_text(text)
    with pytest.raises(InvalidSettings, match=rf"^MODELS_FILE is no list of models: {listed}: "):
        Catalogue.read(listed)
