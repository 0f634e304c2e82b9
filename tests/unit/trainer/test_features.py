from __future__ import annotations

import json
import sys
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from trainer.columns import Column
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.tabular import FIRST_LEVEL, MAX_ONE_HOT, MISSING, UNKNOWN, TabularEncoder

LARGEST = sys.float_info.max
COLUMNS = [
    Column(name="size", type="numeric", modality="tabular"),
    Column(name="kind", type="categorical", modality="tabular"),
    Column(name="day", type="datetime", modality="tabular"),
    Column(name="words", type="text", modality="text"),
]


def rows(sizes, kinds, words):
    days = [datetime(2024, 1 + number % 12, 1) for number in range(len(sizes))]  # noqa: DTZ001 - tables know no zones
    return pl.DataFrame(
        {"size": sizes, "kind": kinds, "day": days, "words": words},
        schema_overrides={"size": pl.Float64, "kind": pl.String, "words": pl.String},
    )


TRAIN = rows(
    [1.0, 2.0, 3.0, None] * 5, ["a", "a", "b", None] * 5, ["red rose", "blue sea", "red fire", None] * 5
)


def fitted():
    return Features.fit(TRAIN, COLUMNS, image_size=16, text_features=1000, text_max_chars=100)


def encoded(features, frame, tmp_path):
    return features.encode(frame, features.decode(frame, None, tmp_path)[0])


def test_other_rows_leave_no_trace_in_what_was_fitted(tmp_path):
    features = fitted()
    before = json.dumps(features.to_json())
    encoded(features, rows([1e9], ["z"], ["green leaf"]), tmp_path)
    assert json.dumps(features.to_json()) == before
    alone = encoded(features, TRAIN[:2], tmp_path)
    beside = encoded(features, pl.concat([TRAIN[:2], rows([1e9], ["z"], ["green"])]), tmp_path)
    assert np.array_equal(alone.reals, beside.reals[:2])


def test_levels_and_words_never_seen_are_unknown_and_blanks_are_missing(tmp_path):
    features = fitted()
    some = encoded(features, rows([1.0, 1.0], ["z", None], ["qqq", None]), tmp_path)
    assert some.reals[:, -4:].argmax(1).tolist() == [UNKNOWN, MISSING], "one-hot: unknown, missing, a, b"
    assert some.texts[0].offsets.tolist() == [0, 0, 0]
    assert some.no_text[0].tolist() == [False, True]


@pytest.mark.parametrize(
    "trained",
    [[1.0, 2.0, 3.0], [0.1, 0.2, 0.3], [LARGEST, -LARGEST, 1.0], [1e-320, 2e-320, 0.0], [5.0] * 3],
    ids=["units", "spread below 1", "largest", "smallest", "constant"],
)
def test_extreme_and_missing_numbers_stay_small(trained):
    size = COLUMNS[0]
    frame = pl.DataFrame({"size": trained * 6})
    encoder = TabularEncoder.fit(frame, [size])
    for numbers in (trained, [LARGEST, -LARGEST, 1e300, 1e39, 0.0, 5e-324, None, np.inf, np.nan]):
        reals, _ = encoder.encode(pl.DataFrame({"size": numbers}, schema={"size": pl.Float64}))
        assert np.isfinite(reals).all()
        assert np.abs(reals).max() <= 3


def test_rare_levels_are_pooled_with_unknown_ones():
    frame = pl.DataFrame({"kind": ["a", "a", "once"]})
    encoder = TabularEncoder.fit(frame, [COLUMNS[1]])
    assert encoder.encode(frame)[0].argmax(1).tolist() == [FIRST_LEVEL, FIRST_LEVEL, UNKNOWN]


@pytest.mark.parametrize("name", ["count", "rows", "level"])
def test_a_column_may_be_called_what_counting_is_called(name):
    frame = pl.DataFrame({name: ["a", "a"]})
    encoder = TabularEncoder.fit(frame, [Column(name=name, type="categorical", modality="tabular")])
    assert encoder.encode(frame)[0].argmax(1).tolist() == [FIRST_LEVEL, FIRST_LEVEL]


def test_columns_of_many_levels_get_codes_to_be_embedded():
    names = [f"level {number:02}" for number in range(MAX_ONE_HOT + 1)]
    frame = pl.DataFrame({"kind": names * 2})
    encoder = TabularEncoder.fit(frame, [COLUMNS[1]])
    reals, codes = encoder.encode(frame)
    assert reals.shape[1] == 0
    assert codes[:3, 0].tolist() == [FIRST_LEVEL, FIRST_LEVEL + 1, FIRST_LEVEL + 2]
    assert encoder.cardinalities == [MAX_ONE_HOT + 1 + FIRST_LEVEL]


@pytest.mark.parametrize("sizes", [[None, None], [5.0, 5.0], [0.0, 1e12]])
def test_columns_without_spread_can_be_fitted(sizes):
    frame = pl.DataFrame({"size": sizes}, schema={"size": pl.Float64})
    reals, _ = TabularEncoder.fit(frame, [COLUMNS[0]]).encode(frame)
    assert np.isfinite(reals).all()


def test_saved_and_made_again_it_encodes_the_same(tmp_path):
    features = fitted()
    again = Features.from_saved(json.loads(json.dumps(features.to_json())), features.arrays())
    one, other = encoded(features, TRAIN, tmp_path), encoded(again, TRAIN, tmp_path)
    assert np.array_equal(one.reals, other.reals)
    assert np.array_equal(one.codes, other.codes)
    assert np.array_equal(one.texts[0].features, other.texts[0].features)
    assert np.array_equal(one.texts[0].weights, other.texts[0].weights)
