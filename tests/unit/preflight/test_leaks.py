"""Columns that give the target away, columns that only help, and columns that only seem to."""

from __future__ import annotations

import random

import pytest

from contracts.schema import ColumnType
from support.preflight import case_of, examined
from tabular.preflight.examine import examine
from tabular.preflight.images import Decoded

ROWS = 600
CLASSES = ["cat", "dog", "bird"]


@pytest.fixture
def chance():
    return random.Random(5)


def labels(rows=ROWS, classes=CLASSES):
    return [classes[n % len(classes)] for n in range(rows)]


def verdict(tmp_path, values, y=None, kind=ColumnType.CATEGORICAL):
    """What is said of one feature, beside one that says nothing: {code: severity}."""
    y = y or labels(len(values))
    noise = random.Random(1)
    columns = {"x": values, "noise": [f"{noise.random():.9f}" for _ in y], "y": y}
    types = {"x": kind, "noise": ColumnType.NUMERIC}
    findings = examined(case_of(tmp_path, columns, types=types)).findings
    told = {one.code.value: one.severity.value for one in findings}
    assert all(one.columns == ["x"] for one in findings if one.columns), findings
    return told


LEAK = {"target-leak": "error"}
STRONG = {"strong-feature": "warning"}


def test_a_copy_of_the_target_gives_it_away(tmp_path):
    assert verdict(tmp_path, [f"code {name}" for name in labels()]) == LEAK


def test_a_finer_label_gives_it_away(tmp_path, chance):
    assert verdict(tmp_path, [f"{name} of breed {chance.randrange(25)}" for name in labels()]) == LEAK


def test_values_of_a_few_rows_each_may_be_things_and_are_a_warning(tmp_path):
    titles = [f"{n // 12} {name}" for n, name in enumerate(labels())]  # four rows each
    case = case_of(
        tmp_path, {"x": titles, "noise": [str(n * 7919 % 601) for n in range(ROWS)], "y": labels()}
    )
    (finding,) = examined(case).findings
    assert finding.code.value == "strong-feature"
    assert "have a split column keep them on one side" in finding.message


def test_a_number_that_runs_class_by_class_gives_it_away(tmp_path):
    y = sorted(labels())
    assert verdict(tmp_path, [str(n * 3 + 7) for n in range(ROWS)], y, ColumnType.NUMERIC) == LEAK


def test_a_date_that_runs_class_by_class_gives_it_away(tmp_path):
    y = sorted(labels())
    days = [f"20{10 + n // 336}-{n % 336 // 28 + 1:02}-{n % 28 + 1:02}" for n in range(ROWS)]
    assert verdict(tmp_path, days, y, ColumnType.DATETIME) == LEAK


def test_a_number_in_steps_gives_it_away_whatever_their_order(tmp_path, chance):
    level = {"cat": 3, "dog": -1, "bird": 12}
    values = [f"{level[name] + chance.random():.6f}" for name in labels()]
    assert verdict(tmp_path, values, kind=ColumnType.NUMERIC) == LEAK


def test_identifiers_that_begin_with_the_class_give_it_away(tmp_path, chance):
    values = [f"{name[:1]}-{chance.randrange(10**6):06}" for name in labels()]
    assert verdict(tmp_path, values, kind=ColumnType.TEXT) == LEAK


def test_a_truth_value_of_two_classes_gives_them_away(tmp_path):
    y = labels(classes=["no", "yes"])
    assert verdict(tmp_path, [str(name == "yes").lower() for name in y], y, ColumnType.BOOLEAN) == LEAK


def test_blanks_that_are_the_class_give_it_away(tmp_path, chance):
    y = labels(classes=["alive", "dead"])
    causes = ["" if name == "alive" else f"cause {chance.randrange(9)}" for name in y]
    assert verdict(tmp_path, causes, y) == LEAK


def test_blanks_of_one_class_alone_are_a_warning(tmp_path, chance):
    values = ["" if name == "bird" else f"{chance.random():.6f}" for name in labels()]
    assert verdict(tmp_path, values, kind=ColumnType.NUMERIC) == {"blanks-tell-class": "warning"}


def test_a_value_that_decides_where_it_is_given_gives_it_away(tmp_path, chance):
    values = ["" if chance.random() < 0.3 else name for name in labels()]
    assert verdict(tmp_path, values) == LEAK


def test_a_text_that_holds_the_class_gives_it_away(tmp_path, chance):
    texts = [f"seen {chance.random():.9f} times: one {name.upper()}, in the wood" for name in labels()]
    assert verdict(tmp_path, texts, kind=ColumnType.TEXT) == LEAK


def test_a_text_that_often_names_the_class_is_a_warning(tmp_path, chance):
    def text(name):
        told = name if chance.random() < 0.3 else "animal"
        return f"seen {chance.random():.9f} times: one {told}, in the wood"

    assert verdict(tmp_path, list(map(text, labels())), kind=ColumnType.TEXT) == {
        "class-named-in-text": "warning"
    }


@pytest.mark.parametrize(("slips", "expected"), [(0.03, STRONG), (0.05, STRONG), (0.15, {})])
def test_a_strong_feature_is_a_warning_and_a_good_one_is_none(tmp_path, chance, slips, expected):
    values = [name if chance.random() > slips else chance.choice(CLASSES) for name in labels()]
    assert verdict(tmp_path, values) == expected


def test_a_number_that_separates_the_classes_well_is_no_error(tmp_path, chance):
    level = {"cat": 0, "dog": 4, "bird": 8}
    values = [f"{chance.gauss(level[name], 1):.6f}" for name in labels()]
    assert verdict(tmp_path, values, kind=ColumnType.NUMERIC) == STRONG


def uninformative():
    """Values that know nothing of the class, by what they look like."""
    chance = random.Random(11)
    every = range(ROWS)
    return {
        "noise": ([f"{chance.random():.9f}" for _ in every], ColumnType.NUMERIC),
        "row-number": ([str(n) for n in every], ColumnType.NUMERIC),
        "levels": ([str(chance.randrange(5)) for _ in every], ColumnType.CATEGORICAL),
        "identifier": ([f"{chance.randrange(10**9):09}" for _ in every], ColumnType.TEXT),
        "many-levels": ([f"{chance.randrange(300)}" for _ in every], ColumnType.CATEGORICAL),
        "blanks": ([chance.choice(["", "given"]) for _ in every], ColumnType.CATEGORICAL),
        "constant": (["always the same"] * ROWS, ColumnType.CATEGORICAL),
        "empty": ([""] * ROWS, ColumnType.CATEGORICAL),
    }


@pytest.mark.parametrize(("values", "kind"), uninformative().values(), ids=uninformative())
def test_what_says_nothing_is_not_told_of(tmp_path, values, kind):
    assert verdict(tmp_path, values, kind=kind) == {}


def test_a_few_rows_prove_nothing(tmp_path):
    y = labels(60)
    assert "target-leak" not in verdict(tmp_path, y, y)


def test_copies_do_not_make_their_columns_name_the_class(tmp_path, chance):
    y = [name for name in (chance.choice(CLASSES) for _ in range(200)) for _ in range(3)]
    texts = [f"words of the row number {n // 3}, written down" for n in range(600)]
    found = examined(case_of(tmp_path, {"x": texts, "y": y}, types={"x": ColumnType.TEXT})).findings
    assert [one.code.value for one in found] == ["duplicate-rows"]


def test_numbers_in_the_order_of_the_file_are_no_leak_where_many_are_equal(tmp_path):
    y = sorted(labels())
    assert verdict(tmp_path, [str(n % 4) for n in range(ROWS)], y, ColumnType.NUMERIC) == {}


def test_a_folder_that_is_the_class_is_only_a_note(tmp_path):
    paths = [f"pictures\\{name}\\{n:04}.jpg" for n, name in enumerate(labels())]
    case = case_of(tmp_path, {"x": paths, "y": labels()}, types={"x": ColumnType.IMAGE})
    (finding,) = examined(case).findings
    assert (finding.code.value, finding.severity.value) == ("image-folder-tells-class", "info")
    assert finding.values == ["pictures/cat", "pictures/dog", "pictures/bird"]


def test_a_leak_is_told_with_its_figures_and_can_be_overridden(tmp_path):
    case = case_of(tmp_path, {"x": [f"{name}!" for name in labels()], "y": labels()})
    (finding,) = examined(case).findings
    assert finding.message.startswith(
        "'x' gives the target away: its value names 'y' right in 100 % of 600 rows, "
        "where always the most frequent class is right in 33.3 %."
    )
    assert (finding.columns, sorted(finding.values)) == (["x"], ["bird!", "cat!", "dog!"])
    assert finding.overridable


def test_when_time_is_up_the_columns_left_are_told(tmp_path):
    case = case_of(tmp_path, {"a": labels(), "b": labels(), "y": labels()})
    answers = iter([False, True])
    result = examine(case, Decoded(), lambda: next(answers))
    assert [one.columns for one in result.findings] == [["a"], []]
    assert "1 of 2 columns for giving the target away" in result.findings[1].message


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7])
def test_tables_too_small_for_any_figure_are_no_trouble(tmp_path, rows):
    columns = {"x": [str(n) for n in range(rows + 1)], "t": ["a b c"] * (rows + 1), "y": [*labels(rows), ""]}
    types = {"x": ColumnType.NUMERIC, "t": ColumnType.TEXT}
    codes = {one.code.value for one in examined(case_of(tmp_path, columns, types=types)).findings}
    assert codes & {"target-missing", "one-class", "too-many-classes", "too-few-rows"}
