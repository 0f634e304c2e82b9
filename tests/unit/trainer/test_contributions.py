from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contracts.schema import ColumnType
from trainer.columns import Column
from trainer.contributions import REPEATS, measure_contributions

ROWS = 400


def column(name, modality="tabular"):
    return Column(name=name, type=ColumnType.NUMERIC, modality=modality)


@pytest.fixture
def table():
    """``tells`` is the class; ``half`` and ``other half`` tell it only together; ``noise`` tells nothing."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, ROWS)
    half = random.integers(0, 2, ROWS)
    return pl.DataFrame(
        {"tells": truth, "half": half, "other half": half ^ truth, "noise": random.random(ROWS)}
    ), truth


def reading(expression):
    """A model that is 90 % sure of what an expression over the columns says."""

    def predict(frame):
        says = frame.select(expression).to_series().to_numpy().astype(bool)
        return np.where(says[:, None], [0.1, 0.9], [0.9, 0.1]).astype(np.float32)

    return predict


def measured(predict, table, columns, **changes):
    frame, truth = table
    settings = {"max_columns": 10, "seed": 0, "deadline": np.inf, **changes}
    return measure_contributions(predict, frame, truth, columns, **settings)


def by_name(contributions):
    return {each.name: each for each in contributions}


def test_the_column_that_tells_is_found_and_the_others_count_nothing(table):
    columns = [column("noise"), column("tells"), column("half", "text")]
    found = measured(reading(pl.col("tells") == 1), table, columns)
    assert (found.rows, found.accuracy) == (ROWS, 1.0)
    assert found.log_loss == pytest.approx(-np.log(0.9), rel=1e-5)
    assert found.columns[0].name == "tells"
    assert found.columns[0].repeats == REPEATS
    assert found.columns[0].accuracy_drop.mean == pytest.approx(0.5, abs=0.05)
    # half of the rows are then wrong, each at a cost of ln 0.9 − ln 0.1
    assert found.columns[0].log_loss_rise.mean == pytest.approx(0.5 * np.log(9), rel=0.1)
    assert 0 < found.columns[0].accuracy_drop.sd < 0.05
    for nothing in found.columns[1:]:
        assert (nothing.accuracy_drop.mean, nothing.accuracy_drop.sd, nothing.log_loss_rise.mean) == (0, 0, 0)
    assert [each.name for each in found.modalities] == ["tabular", "text"]
    assert found.skipped == found.notes == []


def test_columns_of_a_modality_are_shuffled_together(table):
    """Shuffling both halves in step keeps what they say together, only for another row; the model loses all of it."""
    seen = []
    frame, truth = table

    def predict(some):
        seen.append(some)
        return reading(pl.col("half") != pl.col("other half"))(some)

    columns = [column("half", "text"), column("other half", "text"), column("noise")]
    found = measured(predict, table, columns)
    first = seen[1]  # the first modality; before it the rows as they are
    assert sorted(first.select("half", "other half").rows()) == sorted(
        frame.select("half", "other half").rows()
    )
    assert first["noise"].equals(frame["noise"])
    assert by_name(found.modalities)["text"].accuracy_drop.mean == pytest.approx(0.5, abs=0.05)
    assert by_name(found.columns)["half"].accuracy_drop.mean == pytest.approx(0.5, abs=0.05)
    assert len(truth) == len(first)


def test_a_modality_of_one_column_is_that_column_and_is_shuffled_once_for_both(table):
    asked = []

    def predict(frame):
        asked.append(1)
        return reading(pl.col("tells") == 1)(frame)

    found = measured(predict, table, [column("tells", "text"), column("noise", "tabular")])
    assert by_name(found.modalities)["text"].accuracy_drop == by_name(found.columns)["tells"].accuracy_drop
    assert len(asked) == 1 + 2 * REPEATS


def test_a_single_modality_says_that_its_figure_is_all_there_is(table):
    found = measured(reading(pl.col("tells") == 1), table, [column("tells"), column("noise")])
    assert [each.name for each in found.modalities] == ["tabular"]
    assert found.notes[0].startswith("there is only one modality")


def test_columns_past_the_limit_are_named_as_skipped(table):
    found = measured(
        reading(pl.col("tells") == 1),
        table,
        [column("tells"), column("noise"), column("half")],
        max_columns=2,
    )
    assert {each.name for each in found.columns} == {"tells", "noise"}
    assert found.skipped == ["half"]
    assert "only the first 2 of 3 columns" in found.notes[-1]


@pytest.mark.parametrize(
    ("deadline", "modalities", "columns", "skipped"),
    [
        (1.5, {}, {}, ["tabular", "text", "tells", "noise", "half"]),
        (3.5, {"tabular": 1, "text": 1}, {"half": 1}, ["tells", "noise"]),
        (6.0, {"tabular": 2, "text": 1}, {"tells": 1, "noise": 1, "half": 1}, []),
    ],
)
def test_what_the_time_allows_is_measured_evenly_and_the_rest_is_named(
    table, deadline, modalities, columns, skipped
):
    """Each answer of the model takes a second by this clock."""
    now = [0.0]

    def predict(frame):
        now[0] += 1
        return reading(pl.col("tells") == 1)(frame)

    features = [column("tells"), column("noise"), column("half", "text")]
    found = measured(predict, table, features, deadline=deadline, clock=lambda: now[0])
    assert {each.name: each.repeats for each in found.modalities} == modalities
    assert {each.name: each.repeats for each in found.columns} == columns
    assert found.skipped == skipped
    assert "the time for it ran out" in found.notes[-1]
    assert now[0] <= deadline + 0.5


def test_one_repeat_has_no_deviation(table):
    now = [0.0]

    def predict(frame):
        now[0] += 1
        return reading(pl.col("tells") == 1)(frame)

    found = measured(predict, table, [column("tells")], deadline=2.0, clock=lambda: now[0])
    assert [each.accuracy_drop.sd for each in found.columns] == [None]


def test_the_same_seed_gives_the_same_figures(table):
    predict, columns = reading(pl.col("tells") == 1), [column("tells"), column("noise", "text")]
    one, same, other = (measured(predict, table, columns, seed=seed) for seed in (1, 1, 2))
    assert one.columns == same.columns
    assert one.columns != other.columns
