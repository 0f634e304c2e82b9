"""Features for linear models and for trees, on columns of every kind and condition."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from contracts.schema import ColumnType
from support.trainer_jobs import png
from trainer.columns import Column
from trainer.features.descriptors import ImageDescriptors
from trainer.features.linear import LinearFeatures
from trainer.features.tabular import TabularFeatures
from trainer.features.trees import TreeFeatures
from trainer.inputs import LooseFiles

KINDS = {
    "picture": (ColumnType.IMAGE, "image", pl.List(pl.String)),
    "words": (ColumnType.TEXT, "text", pl.String),
    "size": (ColumnType.NUMERIC, "tabular", pl.Float64),
    "kind": (ColumnType.CATEGORICAL, "tabular", pl.String),
    "fresh": (ColumnType.BOOLEAN, "tabular", pl.String),
    "day": (ColumnType.DATETIME, "tabular", pl.Datetime),
    "sense": (ColumnType.TEXT, "vector", pl.Array(pl.Float32, 3)),
}
ALL = [Column(name=name, type=kind, modality=modality) for name, (kind, modality, _) in KINDS.items()]
VALUES = {
    "picture": [["red.png"], ["blue.png", "red.png"], None, ["broken.png"]],
    "words": ["a red rose", "the blue sea", None, "red fire, red rose"],
    "size": [1.0, 2.5, None, -4.0],
    "kind": ["a", "b", None, "a"],
    "fresh": ["yes", "no", None, "yes"],
    "day": [datetime(2024, 1, 31, 23), datetime(1999, 7, 1), None, datetime(2024, 6, 15)],  # noqa: DTZ001
    "sense": [[1.0, 0.0, 2.0], [-1.0, 0.5, 2.0], None, [0.0, 0.1, 2.0]],
}


def table(**values):
    """Rows with the columns given, and the others empty."""
    rows = len(next(iter(values.values())))
    series = [
        pl.Series(name, values.get(name, [None] * rows), dtype) for name, (_, _, dtype) in KINDS.items()
    ]
    return pl.DataFrame(series)


TRAIN = table(**{name: values * 5 for name, values in VALUES.items()})


@pytest.fixture
def images(tmp_path):
    for name, raw in {
        "red.png": png((255, 0, 0)),
        "blue.png": png((0, 0, 255)),
        "broken.png": b"none",
    }.items():
        (tmp_path / name).write_bytes(raw)
    return ImageDescriptors(LooseFiles(tmp_path))


def linear(frame, columns, images):
    return LinearFeatures.fit(frame, columns, images, 1000)


def trees(frame, columns, images):
    sizes = {"text_components": 4, "image_components": 4, "max_text_features": 1000}
    return TreeFeatures.fit(frame, columns, images, **sizes, seed=0)


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else matrix


BOTH = pytest.mark.parametrize("fit", [linear, trees])


@BOTH
def test_saved_and_made_again_they_give_the_same(fit, images):
    features = fit(TRAIN, ALL, images)
    saved = json.loads(json.dumps(features.to_json()))
    again = type(features).from_saved(saved, features.arrays())
    assert np.array_equal(
        dense(again.transform(TRAIN, images)), dense(features.transform(TRAIN, images)), equal_nan=True
    )


@BOTH
def test_other_rows_leave_no_trace(fit, images):
    features = fit(TRAIN, ALL, images)
    alone = dense(features.transform(TRAIN[:4], images))
    strange = table(size=[1e300], kind=["z"], words=["green leaf"], picture=[["red.png"]])
    beside = dense(features.transform(pl.concat([strange, TRAIN[:4]]), images))[1:]
    assert np.allclose(alone, beside, atol=2e-6, equal_nan=True)
    assert features.to_json() == fit(TRAIN, ALL, images).to_json()


@BOTH
@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("condition", ["missing", "constant", "present"])
def test_a_column_alone_in_any_condition_can_be_fitted_and_used(fit, images, name, condition):
    values = {"missing": [None] * 20, "constant": [VALUES[name][0]] * 20, "present": VALUES[name] * 5}[
        condition
    ]
    columns = [column for column in ALL if column.name == name]
    frame = table(**{name: values}).select(name)
    features = fit(frame, columns, images)
    for rows in (frame, TRAIN.select(name), TRAIN.select(name)[:0]):
        matrix = dense(features.transform(rows, images))
        assert len(matrix) == len(rows)
        assert matrix.shape[1] >= 1
        assert not np.isinf(matrix).any()


@pytest.mark.parametrize("name", list(KINDS))
def test_a_linear_model_never_sees_a_gap(images, name):
    features = linear(TRAIN, ALL, images)
    unlike_any = table(**{name: VALUES[name]})
    assert np.isfinite(dense(features.transform(unlike_any, images))).all()


def test_numbers_are_scaled_and_their_gaps_marked(images):
    column = [ALL[2]]
    features = linear(table(size=[0.0, 1.0, 2.0, 3.0, 4.0, None]), column, images)
    _, scaled, gap = features.transform(table(size=[2.0, None, 1e300, -1e300]), images).T
    assert scaled[:2].tolist() == [0, 0]
    assert scaled[2:] == pytest.approx([3, -3])
    assert gap.tolist() == [0, 1, 0, 0]


def test_rare_levels_share_a_feature_with_those_never_seen(images):
    features = linear(table(kind=["a", "a", "b", "b", "once"]), [ALL[3]], images)
    matrix = features.transform(table(kind=["a", "b", "once", "new", None]), images)
    assert matrix[:, 1:].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_moments_run_in_circles_for_a_line_and_as_numbers_for_trees(images):
    december, january = datetime(2023, 12, 31, 23), datetime(2024, 1, 1, 1)  # noqa: DTZ001
    frame = table(day=[december, january, datetime(2024, 7, 1, 12)] * 3)  # noqa: DTZ001
    circles = linear(frame, [ALL[5]], images).transform(frame[:3], images)[:, 2:]
    apart = np.linalg.norm(circles - circles[0], axis=1)
    assert apart[1] < 1.5 < apart[2]
    numbers = trees(frame, [ALL[5]], images).transform(frame[:3], images)
    assert numbers[:, 1:].tolist() == [[12, 7, 23], [1, 1, 1], [7, 1, 12]]


def test_trees_take_codes_first_and_levels_never_seen_as_missing(images):
    features = trees(TRAIN, ALL, images)
    assert features.categorical[:3] == [True, True, False]
    codes = features.transform(
        table(kind=["a", "b", "new", None], fresh=["yes", "no", "perhaps", None]), images
    )
    assert np.array_equal(codes[:, :2], [[0, 1], [1, 0], [np.nan] * 2, [np.nan] * 2], equal_nan=True)


def test_levels_pooled_in_training_stand_for_those_never_seen(images):
    features = trees(table(kind=["a", "a", "b", "b", "once"]), [ALL[3]], images)
    assert features.transform(table(kind=["once", "new"]), images).ravel().tolist() == [2, 2]


def test_more_levels_than_a_tree_can_tell_apart_are_pooled(images):
    names = [f"level {number}" for number in range(400)]
    features = trees(table(kind=names * 2), [ALL[3]], images)
    assert np.unique(features.transform(table(kind=names), images)).tolist() == list(range(255))


def test_a_column_may_have_any_name():
    column = Column(name="rows", type=ColumnType.CATEGORICAL, modality="tabular")
    fitted = TabularFeatures.fit(pl.DataFrame({"rows": ["a", "a", "b"]}), [column], 10)
    assert fitted.codes(pl.DataFrame({"rows": ["a", "b", None]}))["rows"].tolist() == [0, 1, -1]


def test_a_gap_stays_a_gap_for_trees(images):
    matrix = trees(TRAIN, ALL, images).transform(table(words=["red"]), images)
    texts = np.isfinite(matrix[0])
    assert 0 < texts.sum() < matrix.shape[1]


def test_vectors_are_as_long_as_a_text_for_a_line_and_lie_along_where_they_differ_for_trees(images):
    columns = [ALL[6]]
    rows = dense(linear(TRAIN, columns, images).transform(TRAIN, images))
    known = ~TRAIN["sense"].is_null().to_numpy()
    assert np.square(rows[known, 1:4]).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    assert rows[~known, 1:4].tolist() == [[0, 0, 0]] * 5
    assert np.array_equal(rows[:, 4], ~known)
    first = trees(TRAIN, columns, images).transform(TRAIN, images)[known][:, 0]
    assert first[0] - first[1] == pytest.approx(np.hypot(2, 0.5), abs=0.1)
