from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from contracts.schema import ColumnType
from trainer.columns import Column
from trainer.inference import Predictions
from trainer.mistakes import worst_mistakes


def column(name, kind, modality="tabular"):
    return Column(name=name, type=kind, modality=modality)


def found(probabilities, truth, frame, columns):
    table = np.array(probabilities, np.float32)
    said = Predictions(table.argmax(axis=1), table)
    rows = np.arange(len(truth)) * 10
    return worst_mistakes(said, np.array(truth), ["a", "b"], frame, columns, rows)


def test_only_mistakes_are_listed_the_surest_first_with_what_the_model_saw():
    frame = pl.DataFrame(
        {
            "n": [1.5, None, 3.0],
            "t": ["short", "x" * 300, "ok"],
            "d": [datetime(2024, 5, 6, 7), None, None],  # noqa: DTZ001 - the table's moments have no zone
            "i": [["p/0.png", "p/00.png"], None, ["p/2.png"]],
        }
    )
    columns = [
        column("n", ColumnType.NUMERIC),
        column("t", ColumnType.TEXT, "text"),
        column("d", ColumnType.DATETIME),
        column("i", ColumnType.IMAGE, "image"),
    ]
    mistakes = found([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2]], [1, 0, 0], frame, columns)
    assert (mistakes.wrong, mistakes.columns_left_out) == (2, 0)
    surest, other = mistakes.shown
    assert (surest.row, surest.truth, surest.predicted) == (10, "a", "b")
    assert (surest.probability, surest.truth_probability) == pytest.approx((0.9, 0.1))
    assert surest.values["t"] == "x" * 199 + "…"
    assert (surest.values["n"], surest.images) == (None, {"i": []})
    assert other.values == {"n": 1.5, "t": "short", "d": "2024-05-06 07:00:00"}
    assert other.images == {"i": ["p/0.png", "p/00.png"]}


def test_of_each_pair_of_classes_the_surest_are_listed_behind_the_surest_of_all():
    sure, unsure = [0.9, 0.1], [0.45, 0.55]
    frame = pl.DataFrame({"n": [1.0] * 35})
    mistakes = found([sure] * 30 + [unsure] * 5, [1] * 30 + [0] * 5, frame, [column("n", ColumnType.NUMERIC)])
    assert [each.row for each in mistakes.shown] == [*range(0, 200, 10), 300, 310, 320]


def test_a_wide_table_and_many_mistakes_are_cut_and_it_is_said():
    frame = pl.DataFrame({f"c{n}": [1.0] * 50 for n in range(35)})
    columns = [column(name, ColumnType.NUMERIC) for name in frame.columns]
    mistakes = found([[0.9, 0.1]] * 50, [1] * 50, frame, columns)
    assert (mistakes.wrong, len(mistakes.shown), mistakes.columns_left_out) == (50, 20, 5)
    assert list(mistakes.shown[0].values) == [f"c{n}" for n in range(30)]
    assert [each.row for each in mistakes.shown[:3]] == [0, 10, 20], "of equals, the table's order"
