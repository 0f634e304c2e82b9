from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.job import JobSpec
from support.trainer_jobs import job_env, tiny_dataset
from trainer.data import prepare, sort_labels
from trainer.errors import DataError
from trainer.inputs import Inputs, open_images
from trainer.newtable import NewTable


@pytest.fixture
def dataset(tmp_path):
    return tiny_dataset(tmp_path)


def prepared(folder, *, images=True, **changes):
    spec = JobSpec.from_env(job_env(folder, **changes))
    return prepare(spec, Inputs(folder / "table.csv", open_images(folder / "images") if images else None))


def test_columns_come_by_their_modality_and_values_typed(dataset):
    data = prepared(dataset)
    modalities = {column.name: column.modality for column in data.columns}
    assert modalities == {
        "picture": "image",
        "remark": "text",
        "weight": "tabular",
        "origin": "tabular",
        "seen": "tabular",
    }
    assert data.labels == ["blue", "green", "red"]
    assert (len(data.split.train), len(data.split.val)) == (72, 18)
    assert data.frame["picture"].to_list()[0] == ["000.png"]
    assert data.frame["picture"][5] is None  # names a file that is not there
    assert data.frame["weight"][0] is None
    assert data.majority_rate == pytest.approx(1 / 3)
    assert "5 rows have no image in 'picture'" in data.notes


def test_named_features_are_the_only_ones(dataset):
    assert [c.name for c in prepared(dataset, FEATURE_COLUMNS="weight,remark").columns] == [
        "remark",
        "weight",
    ]


def test_a_modality_overrides_the_detected_type(dataset):
    data = prepared(dataset, MODALITY_COLUMNS='{"text": ["origin"], "tabular": ["remark"]}')
    assert {c.name: c.type.value for c in data.columns} == {"origin": "text", "remark": "categorical"}


def table(folder, text):
    (folder / "table.csv").write_text(text)
    return folder


CLASSES = "x,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20))


def test_rows_without_a_target_are_left_out(tmp_path):
    data = prepared(table(tmp_path, CLASSES + "5,\n6,\n"), images=False, COLUMN_TYPES='{"x": "numeric"}')
    assert len(data.frame) == 20
    assert "2 rows without a value in 'label' are left out" in data.notes


def test_a_split_column_decides_and_is_no_feature(tmp_path):
    rows = "".join(f"{n},{'ab'[n % 2]},{'val' if n < 4 else 'train'}\n" for n in range(20))
    folder = table(tmp_path, "x,label,part\n" + rows + "99,c,val\n")
    data = prepared(folder, images=False, SPLIT_COLUMN="part", COLUMN_TYPES='{"x": "numeric"}')
    assert data.split.val.tolist() == [0, 1, 2, 3]
    assert [column.name for column in data.columns] == ["x"]
    assert data.labels == ["a", "b"]
    assert "1 validation rows of classes absent from training are left out" in data.notes


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example writes its table anew
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["train", "val", "test", ""])),
        min_size=2,
        max_size=25,
    ),
    st.sampled_from(["", "part"]),
    st.sampled_from(["0.001", "0.2", "0.999"]),
)
def test_rare_classes_are_split_or_refused_with_a_reason_and_never_crash(tmp_path, rows, column, share):
    text = "x,label,part\n" + "".join(f"{n},{label},{part}\n" for n, (label, part) in enumerate(rows))
    changes = {"SPLIT_COLUMN": column, "VALIDATION_SPLIT": share, "COLUMN_TYPES": '{"x": "numeric"}'}
    try:
        data = prepared(table(tmp_path, text), images=False, **changes)
    except DataError as refused:
        assert str(refused)  # noqa: PT017 - either end is fine
        return
    assert len(data.split.val) >= 1
    assert set(data.target[data.split.train]) == set(range(len(data.labels)))
    assert set(data.target[data.split.val]) <= set(range(len(data.labels)))


COPIES = "note,label\n" + "".join(
    f"some words of the row number {n // 2 if n < 20 else n},{'ab'[n % 4 // 2]}\n" for n in range(100)
)


def test_rows_of_equal_features_stay_together_and_a_note_counts_them(tmp_path):
    data = prepared(table(tmp_path, COPIES), images=False)
    notes = data.frame["note"]
    assert not set(notes[data.split.train]) & set(notes[data.split.val])
    assert "10 rows repeat another row's features; copies are kept on one side of the split" in data.notes


def test_few_combinations_of_levels_are_no_copies(tmp_path):
    rows = "".join(f"{'mf'[n % 2]},{n % 3},{'ab'[n % 5 // 3]}\n" for n in range(90))
    data = prepared(table(tmp_path, "sex,grade,label\n" + rows), images=False)
    assert len(data.split.val) == 18
    assert data.notes == []


def test_a_split_column_that_parts_copies_is_told(tmp_path):
    lines = COPIES.splitlines()
    parts = ["part", *("val" if n % 5 == 0 else "train" for n in range(100))]
    text = "\n".join(f"{line},{part}" for line, part in zip(lines, parts, strict=True)) + "\n"
    data = prepared(table(tmp_path, text), images=False, SPLIT_COLUMN="part")
    assert "4 of 20 validation rows are copies of training rows" in data.notes


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (
            CLASSES,
            {"TARGET_COL": "lable"},
            r"TARGET_COL 'lable' is not a column of the table; its columns are 'x', 'label'",
        ),
        (CLASSES, {"FEATURE_COLUMNS": "x,y"}, "feature columns 'y' are not in the table"),
        (CLASSES, {"SPLIT_COLUMN": "part"}, "SPLIT_COLUMN 'part' is not a column"),
        (CLASSES.replace("b\n", "a\n"), {}, "holds only one class, 'a'"),
        (CLASSES, {"TARGET_COL": "x", "FEATURE_COLUMNS": "label"}, "20 different values in 20 rows"),
        (
            CLASSES,
            {"FEATURE_COLUMNS": "x", "COLUMN_TYPES": '{"x": "constant"}'},
            "no column is left to learn from",
        ),
        (CLASSES, {"COLUMN_TYPES": '{"x": "image"}'}, "names images but the job has no train_folder"),
        ("", {}, "the table cannot be read"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_told_why(tmp_path, text, changes, message):
    changes = {"COLUMN_TYPES": '{"x": "numeric"}', **changes}
    with pytest.raises(DataError, match=message):
        prepared(table(tmp_path, text), images=False, **changes)


def test_images_that_match_no_file_are_told(dataset):
    for file in (dataset / "images").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no value of image column 'picture' matches a file"):
        prepared(dataset, COLUMN_TYPES='{"picture": "image"}')


@pytest.mark.parametrize("backs", [[""], ["", "n/a"]], ids=["blank", "tokens"])
@pytest.mark.parametrize("new", ["picture,back\n000.png,001.png\n", "picture\n000.png\n"])
def test_an_image_column_that_is_blank_in_every_row_is_left_out(dataset, backs, new):
    lines = (dataset / "table.csv").read_text().splitlines()
    cells = ["back", *(backs[n % len(backs)] for n in range(len(lines) - 1))]
    table(dataset, "".join(f"{line},{cell}\n" for line, cell in zip(lines, cells, strict=True)))
    data = prepared(dataset, COLUMN_TYPES='{"picture": "image", "back": "image"}')
    assert "back" not in data.frame.columns
    assert "image column 'back' is left out: it is blank in every row" in data.notes
    (dataset / "new.csv").write_text(new)
    (frame,) = NewTable(dataset / "new.csv", data.columns, "label").batches(10)
    assert frame["picture"].to_list() == ["000.png"]


def test_blank_image_columns_alone_are_nothing_to_learn_from(tmp_path):
    folder = table(tmp_path, "front,back,label\n" + "".join(f",,{'ab'[n % 2]}\n" for n in range(20)))
    with pytest.raises(
        DataError, match="no column is left to learn from; blank in every row: 'front', 'back'"
    ):
        prepared(folder, images=False, COLUMN_TYPES='{"front": "image", "back": "image"}')


def test_class_names_sort_by_value_where_they_are_numbers():
    assert sort_labels(["10", "9", "1"]) == ["1", "9", "10"]
    assert sort_labels(["b", "10", "a"]) == ["10", "a", "b"]
    assert sort_labels(["10", "9" * 5000, "010", "00", "2"]) == ["00", "2", "010", "10", "9" * 5000]


def test_the_same_seed_prepares_the_same_rows(dataset):
    one, same, other = (prepared(dataset, SEED=seed) for seed in ("3", "3", "4"))
    assert np.array_equal(one.split.val, same.split.val)
    assert not np.array_equal(one.split.val, other.split.val)
