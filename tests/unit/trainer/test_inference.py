from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contracts.schema import ColumnType
from trainer.columns import Column
from trainer.inference import BLOCK_ROWS, calibrated, predict_in_blocks, without_modality


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        (1, BLOCK_ROWS),
        (BLOCK_ROWS - 1, BLOCK_ROWS),
        (BLOCK_ROWS, BLOCK_ROWS),
        (BLOCK_ROWS + 1, 2 * BLOCK_ROWS),
    ],
)
def test_a_model_is_asked_for_whole_blocks_of_nothing_but_the_rows(rows, asked):
    seen = []

    def predict(frame):
        seen.append(frame)
        return frame.select("x", y=1 - pl.col("x")).to_numpy().astype(np.float32)

    answer = predict_in_blocks(predict, pl.DataFrame({"x": range(rows)}))
    assert answer[:, 0].tolist() == list(range(rows))
    assert [len(frame) for frame in seen] == [asked]
    assert set(seen[0]["x"]) == set(range(rows))


def test_calibration_keeps_the_class_even_where_rounding_makes_two_equal():
    raw = np.array([[0.5, np.nextafter(np.float32(0.5), 1)]], np.float32)
    said = calibrated(raw, 10.0)
    assert said.best.tolist() == [1]
    assert said.probabilities[0, 0] == said.probabilities[0, 1]  # that is why
    assert said.confidence.tolist() == [said.probabilities[0, 1]]


def test_a_modality_without_values_keeps_its_types():
    columns = [
        Column(name="n", type=ColumnType.NUMERIC, modality="tabular"),
        Column(name="t", type=ColumnType.TEXT, modality="text"),
    ]
    frame = pl.DataFrame({"n": [1.5], "t": ["x"]})
    assert without_modality(frame, columns, "tabular").equals(
        pl.DataFrame({"n": [None], "t": ["x"]}, schema=frame.schema)
    )
