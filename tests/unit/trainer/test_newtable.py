from __future__ import annotations

import polars as pl
import pytest

from contracts.schema import ColumnType
from trainer.cleaning import clean
from trainer.columns import Column
from trainer.errors import DataError
from trainer.newtable import NewTable, match_columns

MODALITY = {ColumnType.IMAGE: "image", ColumnType.TEXT: "text"}


def column(name, kind=ColumnType.TEXT, **given):
    return Column(name=name, type=kind, modality=MODALITY.get(kind, "tabular"), **given)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("Body Weight", "body weight"),
        ("Body Weight", "BODY_WEIGHT"),
        ("Body Weight", "body-weight"),
        ("body_weight", "Body Weight"),
        ("body_weight", "bodyweight"),
        ("body_weight", "body–weight"),
        ("café", "cafe\u0301"),
        ("７８９", "789"),
        ("straße", "STRASSE"),
        ("price", "\ufeffprice"),
        ("price", " price "),
        ("soft\u00adhyphen", "softhyphen"),
    ],
)
def test_names_that_look_the_same_are_the_same(wanted, there):
    found, notes = match_columns([there, "target"], [column(wanted)], "target")
    assert found == {wanted: there}
    assert notes == [f"column {there!r} is read as {wanted!r}"]


def test_an_exact_name_wins_and_is_given_to_one_column_only():
    found, notes = match_columns(["a_b", "A B"], [column("a b"), column("a_b")], "y")
    assert found == {"a_b": "a_b", "a b": "A B"}
    assert notes == ["column 'A B' is read as 'a b'"]
    found, notes = match_columns(["a_b"], [column("a b"), column("a_b")], "y")
    assert found == {"a_b": "a_b"}
    assert notes == ["column 'a b' is not in the table: its values count as missing"]


def test_of_several_that_could_be_meant_the_first_is_taken_and_it_is_said():
    _, notes = match_columns(["A-B", "a_b"], [column("a b")], "y")
    assert notes[0] == "column 'A-B' is read as 'a b', though 'a_b' could be meant as well"


def test_columns_that_nobody_reads_are_named_but_not_the_target():
    _, notes = match_columns(["x", "Y", "z", "w"], [column("x")], "y")
    assert notes == ["columns the model does not read are left aside: 'z', 'w'"]


@pytest.fixture
def opened(tmp_path):
    def make(text, columns, encoding="utf-8"):
        path = tmp_path / "new.csv"
        path.write_bytes(text.encode(encoding))
        return NewTable(path, columns, "y")

    return make


def test_a_byte_order_mark_and_another_delimiter_do_not_matter(opened):
    new = opened("x;z\n1;2\n3;4\n", [column("x")], "utf-8-sig")
    (frame,) = new.batches(10)
    assert frame.to_dict(as_series=False) == {"x": ["1", "3"]}


def test_one_row_is_enough_to_tell_the_header_by_its_names(opened):
    (frame,) = opened("name,age\nbob,3\n", [column("name"), column("age")]).batches(10)
    assert frame.rows() == [("bob", "3")]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 10])
def test_rows_come_in_frames_of_the_size_asked_for(opened, rows):
    new = opened("x,z\n" + "".join(f"r{n},\n" for n in range(10)), [column("x"), column("gone")])
    frames = list(new.batches(rows))
    assert [len(frame) for frame in frames[:-1]] == [rows] * (len(frames) - 1)
    assert 0 < len(frames[-1]) <= rows
    whole = pl.concat(frames)
    assert whole["x"].to_list() == [f"r{n}" for n in range(10)]
    assert whole["gone"].null_count() == 10


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_every_row_with_a_delimiter_is_kept_and_empty_lines_are_told(opened, rows):
    new = opened("x,z\n1,a\n,\n\n2,b\n,\n\n", [column("x"), column("z")])
    whole = pl.concat(new.batches(rows))
    assert whole.rows() == [("1", "a"), ("", ""), ("2", "b"), ("", "")]
    (note,) = new.closing_notes()
    assert note.startswith("empty lines in the table: 2")


def test_a_table_without_rows_gives_one_empty_frame(opened):
    (frame,) = opened("x,z\n", [column("x")]).batches(10)
    assert (len(frame), frame.columns) == (0, ["x"])


def test_a_table_with_none_of_the_columns_is_refused(opened):
    with pytest.raises(DataError, match="has none of the model's columns 'a', 'b'; its columns are 'x', 'z'"):
        opened("x,z\n1,2\n", [column("a"), column("b")])


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        NewTable(tmp_path / "none.csv", [column("a")], "y")


def test_values_of_another_type_are_counted_with_examples(opened):
    columns = [
        column("n", ColumnType.NUMERIC, missing_tokens=["NA"]),
        column("d", ColumnType.DATETIME),
        column("i", ColumnType.IMAGE),
        column("t"),
    ]
    rows = ["1,2024-01-02,a.png,x", "NA,soon,b.png,y", "many,later,,z", ",,c.png,", "2.5,2024-02-03,d.png,w"]
    new = opened("n,d,i,t\n" + "\n".join(rows) + "\n", columns)
    for raw in new.batches(2):
        new.count_misfits(raw, clean(raw, columns, None))
    numbers, dates, images = new.closing_notes()
    assert numbers == "column 'n': 1 of 3 values are no numbers and count as missing, e.g. 'many'"
    assert dates == "column 'd': 2 of 4 values are no dates and count as missing, e.g. 'soon', 'later'"
    assert images.startswith("column 'i': 4 of 4 values name no image file")
    assert images.endswith("e.g. 'a.png', 'b.png', 'c.png'; is it the right column?")
    new.expect_no_images()
    assert len(new.closing_notes()) == 2
