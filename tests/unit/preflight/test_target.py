"""The checks of the target alone: a table of class counts, and what is said of each."""

from __future__ import annotations

import random

import pytest

from contracts.preflight import Severity
from support.preflight import case_of, examined


def rows_of(counts: dict[str, int], seed: int = 0) -> dict[str, list[str]]:
    """A feature that says nothing, and so many rows of each class in random order."""
    chance = random.Random(seed)
    classes = [name for name, rows in counts.items() for _ in range(rows)]
    chance.shuffle(classes)
    return {"x": [f"{chance.random():.6f}" for _ in classes], "y": classes}


def found(tmp_path, counts, **plan):
    result = examined(case_of(tmp_path, rows_of(counts), **plan))
    return {finding.code.value: finding for finding in result.findings}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"a": 200, "b": 150}, {}),
        ({"a": 200, "b": 150, "c": 1}, {"single-row-classes": "warning"}),
        ({"a": 80, "b": 75, "c": 1, "d": 1}, {"single-row-classes": "warning"}),
        ({"a": 80, "b": 75, "c": 2, "d": 4}, {"rare-classes": "warning"}),
        ({"a": 80, "b": 75, "c": 5}, {}),
        ({"a": 970, "b": 30}, {"imbalance": "warning"}),
        ({"a": 940, "b": 60}, {}),
        ({"a": 600, "b": 595, "c": 5}, {"imbalance": "warning"}),
        ({"a": 60, "b": 60}, {"few-validation-rows": "warning"}),
        ({"a": 10, "b": 9}, {"too-few-rows": "error"}),
        ({"a": 200, "": 5}, {"one-class": "error"}),
        ({"a": 200, "b": 190, "": 19}, {}),
        ({"a": 200, "b": 190, "": 40}, {"target-missing": "warning"}),
        ({"a": 100, "b": 90, "": 200}, {"target-missing": "error"}),
        ({"a": 100, "b": 90, "NA": 200}, {"target-missing": "error"}),
        ({"": 200}, {"target-missing": "error"}),
        ({f"c{n}": 1 for n in range(200)}, {"too-many-classes": "error"}),
        ({f"c{n}": 2 for n in range(1001)}, {"too-many-classes": "error"}),
    ],
    ids=str,
)
def test_class_counts(tmp_path, counts, expected):
    assert {code: one.severity.value for code, one in found(tmp_path, counts).items()} == expected


@pytest.mark.parametrize(
    ("counts", "code", "overridable"),
    [
        ({"a": 10, "b": 9}, "too-few-rows", True),
        ({"a": 100, "b": 90, "": 200}, "target-missing", True),
        ({"": 200}, "target-missing", False),
        ({"a": 200}, "one-class", False),
        ({f"c{n}": 1 for n in range(200)}, "too-many-classes", False),
    ],
    ids=str,
)
def test_what_a_trainer_would_refuse_cannot_be_overridden(tmp_path, counts, code, overridable):
    assert found(tmp_path, counts)[code].overridable is overridable


def test_rare_classes_are_counted_and_named_with_their_rows(tmp_path):
    columns = rows_of({"a": 80, "b": 80})
    columns = {"x": [*columns["x"], "1", "2"], "y": [*columns["y"], "lone", "alone"]}
    (finding,) = examined(case_of(tmp_path, columns)).findings
    assert finding.message.startswith("2 of 4 classes have a single row: 'alone', 'lone'.")
    assert (finding.columns, finding.rows, finding.values) == (["y"], [161, 162], ["alone", "lone"])


def test_of_many_rare_classes_the_first_are_named(tmp_path):
    rare = found(tmp_path, {"a": 50, "b": 50, "c": 50, **{f"rare{n}": 1 for n in range(9)}})[
        "single-row-classes"
    ]
    assert "'rare4' and 4 more." in rare.message
    assert len(rare.values) == 5


def test_labels_that_differ_in_blanks_alone_are_one_class_as_for_the_trainer(tmp_path):
    counts = {"big  cat": 40, " big cat": 40, "dog": 80}
    assert found(tmp_path, counts) == {}


def test_the_rows_wanted_are_a_setting(tmp_path):
    assert "too-few-rows" in found(tmp_path, {"a": 90, "b": 90}, min_rows=181)
    assert "too-few-rows" not in found(tmp_path, {"a": 90, "b": 90}, min_rows=180)


def test_the_share_that_validates_counts(tmp_path):
    assert "few-validation-rows" in found(tmp_path, {"a": 100, "b": 100}, validation_split=0.1)
    assert "few-validation-rows" not in found(tmp_path, {"a": 100, "b": 100}, validation_split=0.2)


def test_in_a_part_of_a_table_nothing_is_rare_unless_all_rows_were_counted(tmp_path):
    many = {f"c{n}": 60 - n for n in range(59)}  # more classes than detection lists
    part = case_of(tmp_path, rows_of(many), most_rows=100)
    assert [one.code.value for one in examined(part).findings] == ["sampled"]
    counted = case_of(tmp_path, rows_of({"a": 500, "b": 499, "c": 1}), most_rows=100)
    codes = [one.code.value for one in examined(counted).findings]
    assert codes == ["single-row-classes", "sampled"]


def test_what_was_looked_at_is_told(tmp_path):
    result = examined(case_of(tmp_path, rows_of({"a": 500, "b": 500}), most_rows=300))
    assert (result.rows, result.rows_in_table) == (300, 1000)
    (finding,) = result.findings
    assert finding.severity is Severity.INFO
    assert "300 of 1,000 rows, spread over the table" in finding.message
