from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.folder import FolderError, named_first, read_folder
from benchmarks.accuracy.measures import calibration_error, macro_f1, measure
from benchmarks.accuracy.results import Results, table, with_reference
from benchmarks.accuracy.split import LEAST_ROWS, three_way
from contracts.schema import ColumnType
from support.trainer_jobs import tiny_dataset

TYPES = {
    "picture": "image (RGB)",
    "remark": "text (short)",
    "weight": "numeric",
    "origin": "categorical (3 values)",
    "seen": "date (ISO)",
    "label": "target",
}


@pytest.fixture
def folder(tmp_path):
    """A data folder of all modalities, three classes."""
    tiny_dataset(tmp_path / "tiny").joinpath("table.csv").rename(tmp_path / "tiny" / "metadata.csv")
    write_schema(tmp_path / "tiny")
    return tmp_path / "tiny"


def write_schema(folder, **changes):
    schema = {"target": "label", "leakage_notes": ["none"], "types": TYPES, **changes}
    (folder / "schema.json").write_text(json.dumps(schema))


# --- folders


def test_a_folder_gives_its_target_and_the_true_types_of_its_features(folder):
    data = read_folder(folder)
    assert data.target == "label"
    assert data.types == {
        "picture": ColumnType.IMAGE,
        "remark": ColumnType.TEXT,
        "weight": ColumnType.NUMERIC,
        "origin": ColumnType.CATEGORICAL,
        "seen": ColumnType.DATETIME,
    }
    assert data.rows.height == 90
    assert data.images == folder / "images"


@pytest.mark.parametrize(
    ("note", "names", "rest"),
    [
        ("origin (finer label)", ["origin"], " (finer label)"),
        ("origin, weight/seen, and remark (near-identifiers)", ["origin", "weight", "seen", "remark"], None),
        ("`origin` is blank only for red (leaks it)", ["origin"], None),
        ("originals are kept", [], "originals are kept"),
        ("none", [], "none"),
    ],
)
def test_the_columns_a_note_begins_with(note, names, rest):
    found = named_first(note, TYPES)
    assert found[0] == names
    if rest is not None:
        assert found[1] == rest


@pytest.mark.parametrize(
    ("note", "left_out", "cautions"),
    [
        ("origin (finer label)", {"origin"}, 0),
        ("origin/weight", {"origin", "weight"}, 0),
        ("origin is blank only for red (leaks that class)", {"origin"}, 0),
        ("remark often names the colour", set(), 1),
        ("never use the path in `picture`", set(), 1),
        ("picture (its name is the label)", set(), 1),
        ("none", set(), 0),
    ],
)
def test_notes_that_ask_to_leave_a_column_out_are_followed_and_others_shown(folder, note, left_out, cautions):
    write_schema(folder, leakage_notes=[note])
    data = read_folder(folder)
    assert set(data.left_out) == left_out
    assert len(data.cautions) == cautions


def test_columns_can_be_left_out_and_kept_by_hand(folder):
    write_schema(folder, leakage_notes=["origin (finer label)"])
    data = read_folder(folder, leave_out=["weight"], keep=["origin"])
    assert data.left_out == {"weight": "asked for"}
    assert "origin" in data.types


def test_an_id_is_left_out_if_every_row_has_its_own_and_read_as_text_if_rows_share_it(folder):
    write_schema(folder, types=TYPES | {"picture": "id", "origin": "id (mixed)"})
    (folder / "metadata.csv").write_text(
        "picture,origin,label\n" + "".join(f"{n:03},T{n % 5},{n % 2}\n" for n in range(30))
    )
    data = read_folder(folder)
    assert data.left_out == {"picture": "an id of its own in every row"}
    assert data.types == {"origin": ColumnType.TEXT}


def test_types_are_detected_where_the_schema_does_not_say_them(folder):
    write_schema(folder, types={"weight": "some words of its own"})
    assert read_folder(folder).types["weight"] is ColumnType.NUMERIC
    (folder / "schema.json").unlink()
    assert read_folder(folder, target="label").types["picture"] is ColumnType.IMAGE


def test_rows_without_a_target_do_not_count(folder):
    with (folder / "metadata.csv").open("a") as file:
        file.write("images/000.png,a thing,1,here,2024-01-01,\n")
    assert read_folder(folder).rows.height == 90


@pytest.mark.parametrize(
    ("break_it", "options", "said"),
    [
        (lambda folder: (folder / "metadata.csv").unlink(), {}, "has no metadata.csv"),
        (lambda folder: (folder / "metadata.csv").write_bytes(b""), {}, "cannot be read"),
        (lambda folder: (folder / "schema.json").write_text("{"), {}, "is not JSON"),
        (lambda folder: (folder / "schema.json").write_text("[]"), {}, "no JSON object"),
        (lambda folder: (folder / "schema.json").write_text("{}"), {}, "give --target"),
        (lambda folder: write_schema(folder, types=[]), {}, "'types' must be a dict"),
        (lambda folder: write_schema(folder, target="lable"), {}, "no column 'lable'; it has 'picture'"),
        (lambda folder: shutil.rmtree(folder / "images"), {}, "no folder images/"),
        (lambda _: None, {"target": "colour"}, "no column 'colour'"),
        (lambda _: None, {"leave_out": [name for name in TYPES if name != "label"]}, "no column is left"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(folder, break_it, options, said):
    break_it(folder)
    with pytest.raises(FolderError, match="tiny") as error:
        read_folder(folder, **options)
    assert said in str(error.value)


# --- splitting


def test_every_side_gets_its_share_of_every_class():
    labels = np.repeat(["a", "b", "c"], [500, 100, 25])
    sides = three_way(labels, 0)
    for name, expected in (("a", (320, 80, 100)), ("b", (64, 16, 20)), ("c", (16, 4, 5))):
        assert tuple((sides[labels == name] == side).sum() for side in ("train", "val", "test")) == expected


def test_the_cut_depends_on_the_seed_alone():
    labels = np.repeat(["a", "b"], 50)
    assert (three_way(labels, 1) == three_way(labels, 1)).all()
    assert (three_way(labels, 1) != three_way(labels, 2)).any()


@pytest.mark.parametrize("count", range(1, LEAST_ROWS))
def test_a_rare_class_is_learnt_from_whole(count):
    labels = np.repeat(["common", "rare"], [100, count])
    assert set(three_way(labels, 0)[labels == "rare"]) == {"train"}


@pytest.mark.parametrize("count", range(LEAST_ROWS, 12))
def test_a_class_with_enough_rows_is_always_in_train(count):
    labels = np.repeat([f"class {number}" for number in range(20)], count)
    sides = three_way(labels, 0)
    assert set(labels[sides == "train"]) == set(labels)
    assert (sides == "test").sum() == round(0.2 * len(labels))


def test_rows_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="at least one class needs 5 rows"):
        three_way(np.array(["a", "a", "b", "b"]), 0)
    with pytest.raises(ValueError, match="one class only: 'a'"):
        three_way(np.array(["a"] * 50), 0)


# --- measures


def test_calibration_error_by_hand():
    # ten rows in five bins of two; in order of confidence: .5 .5 | .6 .6 | .7 .7 | .8 .8 | .9 .9
    confidence = np.array([0.9, 0.9, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8])
    right = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0, 1], dtype=bool)
    # gaps: |.5-.5| = 0, |.5-.6| = .1, |1-.7| = .3, |.5-.8| = .3, |1-.9| = .1
    assert calibration_error(right, confidence, bins=5) == pytest.approx((0 + 0.1 + 0.3 + 0.3 + 0.1) / 5)
    # one bin: |.7 - .7| = 0
    assert calibration_error(right, confidence, bins=1) == pytest.approx(0)


def test_calibration_error_of_uneven_bins_weighs_by_rows():
    confidence = np.array([0.4, 0.6, 1.0])
    right = np.array([False, True, True])
    # bins of two rows and one: 2/3 * |.5 - .5| + 1/3 * |1 - 1|
    assert calibration_error(right, confidence, bins=2) == pytest.approx(0)
    # more bins than rows: every row is one
    assert calibration_error(right, confidence, bins=15) == pytest.approx((0.4 + 0.4 + 0) / 3)


def test_macro_f1_counts_the_classes_of_the_rows():
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    # class 0: 1; class 1: 2 * 1 / (2 + 1); class 2 has no rows
    assert macro_f1(truth, predicted) == pytest.approx((1 + 2 / 3) / 2)


def test_log_loss_and_accuracy():
    found = measure(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 2.0]]))
    assert found["log_loss"] == pytest.approx(np.log(2) / 2, abs=1e-6)
    assert found["accuracy"] == 1
    surely_wrong = measure(np.array([0]), np.array([[0.0, 1.0]]))
    assert surely_wrong["log_loss"] == pytest.approx(-np.log(1e-7), rel=1e-4)


# --- results


def record(contender, seed, test, val=0.5, seconds=1.0, **changes):
    measures = {"macro_f1": test, "log_loss": 1.0, "ece": 0.1}
    return {
        "folder": "tiny",
        "setting": "s",
        "contender": contender,
        "setup": {},
        "seed": seed,
        "test": {"accuracy": test, **measures},
        "val": {"accuracy": val, **measures},
        "fit_seconds": seconds,
        "fit_cpu_seconds": seconds,
        **changes,
    }


def test_the_reference_is_chosen_by_val_rows_and_costs_all_that_was_tried():
    records = [
        record("linear", 0, 0.7, val=0.9),
        record("svm", 0, 0.8, val=0.8),
        record("trees", 0, 0.9, 0.7),
    ]
    (chosen,) = with_reference(records)["reference"]
    assert chosen["test"]["accuracy"] == 0.7
    assert chosen["fit_seconds"] == 3.0


@pytest.mark.parametrize(
    ("ours", "said"), [(0.75, "+0.050 (level)"), (0.9, "+0.200 (ahead)"), (0.5, "-0.200 (behind)")]
)
def test_ours_is_held_against_the_reference(ours, said):
    kinds = [
        record(kind, seed, test) for kind in ("linear", "svm", "trees") for seed, test in ((0, 0.6), (1, 0.8))
    ]
    mine = [record("multimodal fast", seed, ours, setup={"model": "multimodal"}) for seed in (0, 1)]
    last = table([*kinds, *mine]).splitlines()[-1]
    assert last.startswith("| multimodal fast | 2 |")
    assert said in last


def test_results_outlive_the_process_and_the_last_of_one_run_counts(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    results.add(record("linear", 0, 0.6))
    results.add(record("linear", 0, 0.7))
    reopened = Results(tmp_path / "results.jsonl")
    assert record("linear", 0, 0.0) in reopened
    assert record("linear", 1, 0.0) not in reopened
    assert [found["test"]["accuracy"] for found in reopened.of("tiny", "s", [0])] == [0.7]


def test_a_damaged_results_file_is_refused(tmp_path):
    (tmp_path / "results.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"results.jsonl, line 1, is no result"):
        Results(tmp_path / "results.jsonl")


# --- the whole


@pytest.mark.long
def test_everyone_is_run_once_and_a_second_call_only_prints(folder, tmp_path, capfd):
    results = tmp_path / "results.jsonl"
    call = [str(folder), "--seeds", "0", "--only", "majority", "ref", "default", "--model", "dummy_model"]
    assert main([*call, "--json", str(results)]) == 0
    first = capfd.readouterr().out
    records = [json.loads(line) for line in results.read_text().splitlines()]
    names = {"majority", "linear", "svm", "trees", "vote", "dummy_model default"}
    assert {found["contender"] for found in records} == names
    scores = {found["contender"]: found["test"]["accuracy"] for found in records}
    assert scores["linear"] > 0.9 > scores["majority"]
    assert {str(found["rows"]) for found in records} == {"{'train': 58, 'val': 14, 'test': 18}"}
    assert main([*call, "--json", str(results)]) == 0
    second = capfd.readouterr().out
    assert len(results.read_text().splitlines()) == len(records)
    assert second.splitlines()[-9:] == first.splitlines()[-9:]


def test_a_failing_contender_is_named_and_the_others_count(folder, capfd):
    call = [str(folder), "--seeds", "0", "--only", "majority", "default", "--model", "no_such_model"]
    assert main(call) == 1
    caught = capfd.readouterr()
    assert "tiny, seed 0, no_such_model default: -m trainer ended with exit code 64" in caught.err
    assert "| majority | 1 | 0.3" in caught.out


def test_a_folder_that_cannot_be_used_ends_the_call(folder, tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "has no metadata.csv" in capsys.readouterr().err
    (folder / "metadata.csv").write_text("weight,label\n1,a\n2,a\n3,b\n")
    assert main([str(folder)]) == 2
    assert "tiny: 3 rows of 2 classes leave no row for val" in capsys.readouterr().err
