from __future__ import annotations

import math
import sys

import numpy as np
import polars as pl
import pytest

from contracts.schema import ColumnType
from trainer import baselines
from trainer.baselines import linear_baseline, majority_baseline
from trainer.columns import Column
from trainer.data import Data
from trainer.split import Split

MODALITY = {ColumnType.IMAGE: "image", ColumnType.TEXT: "text"}
ROWS = 60


def data(columns, target=None, train=40):
    """A table of columns, each (type, values); the first rows train."""
    features = [
        Column(name=name, type=kind, modality=MODALITY.get(kind, "tabular"))
        for name, (kind, _) in columns.items()
    ]
    truth = np.arange(ROWS) % 3 if target is None else np.array(target)
    split = Split(np.arange(train), np.arange(train, ROWS))
    frame = pl.DataFrame({name: values for name, (_, values) in columns.items()}, strict=False)
    return Data(features, frame, None, ["a", "b", "c"], truth, split, np.arange(ROWS), [])


NOISE = (ColumnType.NUMERIC, [float(n * 7919 % 101) for n in range(ROWS)])


def test_the_majority_answers_with_the_training_rows_shares():
    target = [0] * 20 + [1] * 10 + [2] * 10 + [0] * 5 + [1] * 15
    baseline = majority_baseline(data({"n": NOISE}, target))
    assert baseline.accuracy == 0.25
    assert baseline.log_loss == pytest.approx(-(5 * math.log(0.5) + 15 * math.log(0.25)) / 20, rel=1e-6)
    assert baseline.macro_f1 == pytest.approx((2 * 5 / 25 + 0) / 2)
    assert (baseline.rows, baseline.columns) == (40, [])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ColumnType.NUMERIC, [float(n % 3 * 1000) if n % 7 else None for n in range(ROWS)]),
        (ColumnType.CATEGORICAL, ["xyz"[n % 3] if n % 7 else None for n in range(ROWS)]),
        (
            ColumnType.TEXT,
            [f"{['red', 'green', 'blue'][n % 3]} thing" if n % 7 else None for n in range(ROWS)],
        ),
        (
            ColumnType.DATETIME,
            pl.Series([10**9 + n % 3 * 10**8 if n % 7 else None for n in range(ROWS)]).cast(
                pl.Datetime("ms")
            ),
        ),
    ],
    ids=["numeric", "categorical", "text", "datetime"],
)
def test_the_linear_model_learns_from_every_type_but_images(kind, values):
    # of datetimes and numbers the middle class is no half-space, so it may be missed
    baseline, why = linear_baseline(data({"tells": (kind, values), "noise": NOISE}), seed=0)
    assert why == ""
    assert baseline.accuracy > 0.75
    assert (baseline.rows, baseline.columns) == (40, ["tells", "noise"])
    assert baseline.title == "Linear model"


@pytest.mark.parametrize("large", [1e39, 1e155, sys.float_info.max])
@pytest.mark.parametrize("row", [1, ROWS - 1], ids=["training", "validation"])
def test_the_linear_model_bears_numbers_near_the_largest_float(large, row):
    numbers = [large if n == row else n % 3 / 10 for n in range(ROWS)]
    baseline, why = linear_baseline(data({"n": (ColumnType.NUMERIC, numbers), "noise": NOISE}), seed=0)
    assert why == ""
    assert math.isfinite(baseline.log_loss)


def test_images_are_left_aside_and_the_title_says_so():
    images = (ColumnType.IMAGE, ["x.png"] * ROWS)
    baseline, _ = linear_baseline(data({"picture": images, "noise": NOISE}), seed=0)
    assert (baseline.title, baseline.columns) == ("Linear model without images", ["noise"])


@pytest.mark.parametrize(
    "columns",
    [
        {"picture": (ColumnType.IMAGE, ["x.png"] * ROWS)},
        {
            "t": (ColumnType.TEXT, pl.Series([None] * ROWS, dtype=pl.String)),
            "n": (ColumnType.NUMERIC, [None] * ROWS),
        },
        {"t": (ColumnType.TEXT, ["!"] * ROWS)},
    ],
)
def test_without_a_column_to_read_there_is_a_reason_instead(columns):
    baseline, why = linear_baseline(data(columns), seed=0)
    assert baseline is None
    assert why.startswith("no linear baseline")


def test_a_large_table_is_sampled(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_ROWS", 15)
    baseline, _ = linear_baseline(data({"noise": NOISE}), seed=0)
    assert baseline.rows == 15


def test_a_sample_of_one_class_still_has_an_answer(monkeypatch):
    monkeypatch.setattr(baselines, "MAX_ROWS", 1)
    baseline, _ = linear_baseline(data({"noise": NOISE}), seed=0)
    assert baseline.accuracy == pytest.approx(1 / 3, abs=0.05)
