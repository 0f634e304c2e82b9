"""Rows that repeat others, split columns, and images that are missing or broken."""

from __future__ import annotations

import random

import pytest

from contracts.schema import ColumnType
from support.preflight import case_of, examined
from tabular.images import ImageIndex
from tabular.preflight.images import Decoded, files_of, image_cells

ROWS = 300


def told(result):
    return {one.code.value: one for one in result.findings}


def words(n):
    return f"some words that only row {n} holds"


def table(rows=ROWS, **columns):
    """Rows that all differ, of two classes."""
    chance = random.Random(2)
    return {"x": [words(n) for n in range(rows)], **columns, "y": [chance.choice("ab") for _ in range(rows)]}


def repeat(columns, source, row):
    for values in columns.values():
        values[row] = values[source]


def test_rows_that_differ_are_not_told_of(tmp_path):
    assert examined(case_of(tmp_path, table())).findings == []


def test_copies_are_counted_with_their_rows(tmp_path):
    columns = table()
    for row in (50, 51, 52, 200):
        repeat(columns, 10, row)
    finding = told(examined(case_of(tmp_path, columns)))["duplicate-rows"]
    assert "4 of 300 rows (1.33 %) repeat all features of another row" in finding.message
    assert finding.rows == [51, 52, 53, 201]
    assert finding.severity.value == "warning"


def test_a_copy_in_a_hundred_is_not_worth_telling(tmp_path):
    columns = table()
    repeat(columns, 10, 50)
    assert examined(case_of(tmp_path, columns)).findings == []


def test_copies_of_different_classes_are_the_limit_of_every_model(tmp_path):
    columns = table()
    for row in range(0, 20, 2):
        repeat(columns, row, row + 1)
        columns["y"][row], columns["y"][row + 1] = "a", "b"
    finding = told(examined(case_of(tmp_path, columns)))["conflicting-rows"]
    assert (
        "20 of 300 rows (6.67 %) have all features in common with a row of another class" in finding.message
    )
    assert "more than 96.7 % of the rows right" in finding.message
    assert finding.rows == [1, 2, 3, 4, 5]


def test_equal_rows_of_few_levels_are_no_copies(tmp_path):
    columns = {"sex": ["mf"[n % 2] for n in range(ROWS)], "grade": [str(n % 3) for n in range(ROWS)]}
    found = told(examined(case_of(tmp_path, columns | {"y": table()["y"]})))
    assert set(found) == {"conflicting-rows"}


def parts(rule):
    return [rule(n) for n in range(ROWS)]


def split_of(tmp_path, columns):
    return told(examined(case_of(tmp_path, columns, split_column="part")))


def test_a_split_column_that_is_right_is_not_told_of(tmp_path):
    part = parts(lambda n: "Train" if n % 5 else " VAL ")
    assert split_of(tmp_path, table(part=part)) == {}


@pytest.mark.parametrize(
    ("part", "side"), [(["train"] * ROWS, "val"), (parts(lambda n: ["val", "test"][n % 2]), "train")]
)
def test_a_split_column_without_a_side_cannot_be_overridden(tmp_path, part, side):
    finding = split_of(tmp_path, table(part=part))["split-column"]
    assert f"'part' marks no row as '{side}'; its values are" in finding.message
    assert (finding.severity.value, finding.overridable) == ("error", False)


@pytest.mark.parametrize(
    ("label", "severity", "words"),
    [
        (
            lambda n: "ab"[n % 2] if n % 5 else "c",
            "error",
            "No validation row is of a class that the training rows",
        ),
        (lambda n: "a" if n % 5 else "ab"[n % 2], "error", "for training hold only the class 'a'"),
        (lambda n: "ab"[n % 2] if n % 5 else "abc"[n % 3], "warning", "of 'c' are left out"),
        (lambda n: "abc"[n % 3] if n % 5 else "ab"[n % 2], "warning", "'c' is trained on and not validated"),
    ],
)
def test_sides_of_different_classes_are_told(tmp_path, label, severity, words):
    columns = table(part=parts(lambda n: "train" if n % 5 else "val")) | {"y": parts(label)}
    finding = split_of(tmp_path, columns)["split-classes"]
    assert (finding.severity.value, finding.overridable) == (severity, False)
    assert words in finding.message


@pytest.mark.parametrize(("copies", "severity"), [(3, "warning"), (12, "error")])
def test_copies_across_a_split_column_are_told_and_many_stop(tmp_path, copies, severity):
    columns = table(part=parts(lambda n: "train" if n % 5 else "val"))
    for row in range(0, 5 * copies, 5):
        columns["x"][row] = columns["x"][row + 1]
    found = split_of(tmp_path, columns)
    finding = found["duplicates-across-split"]
    assert f"{copies} of 60 validation rows" in finding.message
    assert (finding.severity.value, finding.overridable) == (severity, severity == "error")
    assert "duplicate-rows" not in found


def pictures(missing=0):
    columns = {"photo": [f"{n:03}.png" for n in range(ROWS)], "x": table()["x"], "y": table()["y"]}
    return columns, [f"photos/{n:03}.png" for n in range(missing, ROWS)]


def images_of(tmp_path, missing, decoded=None):
    columns, files = pictures(missing)
    files = files or ["other.png"]
    case = case_of(tmp_path, columns, files=files, types={"photo": ColumnType.IMAGE})
    return told(examined(case, decoded))


@pytest.mark.parametrize(
    ("missing", "severity", "overridable", "words"),
    [
        (1, "warning", False, "1 of 300 rows (0.333 %) name no uploaded file in 'photo', e.g. '000.png'"),
        (150, "error", True, "150 of 300 rows (50 %)"),
        (300, "error", False, "No value of 'photo' names an uploaded file, in 300 rows"),
    ],
)
def test_missing_images(tmp_path, missing, severity, overridable, words):
    finding = images_of(tmp_path, missing)["images-missing"]
    assert (finding.severity.value, finding.overridable) == (severity, overridable)
    assert words in finding.message


@pytest.mark.parametrize(("tried", "severity", "overridable"), [(50, "warning", False), (2, "error", True)])
def test_broken_images(tmp_path, tried, severity, overridable):
    decoded = Decoded(tried, {"photos/b.png": "truncated", "photos/a.png": "not an image"})
    finding = images_of(tmp_path, 0, decoded)["images-broken"]
    assert (
        f"2 of {tried} images tried cannot be decoded: 'photos/a.png', 'photos/b.png' (not an image)"
        in finding.message
    )
    assert (finding.severity.value, finding.overridable) == (severity, overridable)


def test_images_all_there_are_not_told_of(tmp_path):
    assert images_of(tmp_path, 0, Decoded(300)) == {}


def test_some_files_that_rows_name_are_tried_the_same_each_time(tmp_path):
    columns, files = pictures(missing=10)
    case = case_of(tmp_path, columns, files=files, types={"photo": ColumnType.IMAGE})
    cells, left = image_cells(case, 40)
    assert (len(set(cells)), left) == (40, ROWS - 40)
    assert (cells, left) == image_cells(case, 40)
    tried = files_of(cells, ImageIndex(files))
    assert set(tried) <= set(files)
    assert 30 <= len(tried) <= 40
    assert image_cells(case_of(tmp_path, table()), 40) == ([], 0)


def test_images_that_were_left_are_told(tmp_path):
    finding = images_of(tmp_path, 0, Decoded(40, left=260))["sampled"]
    assert finding.message == "Only a part was looked at: 40 of 300 images."
