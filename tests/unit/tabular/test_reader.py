"""Tables as batches of strings: names, ragged and blank rows, bounded blocks, fall-back parser."""

from __future__ import annotations

import pytest

from contracts.schema import Dialect
from tabular.blocks import record_blocks, utf8_chunks
from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.reader import read_batches, read_head, read_table, scan, unique_names


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path, detect_dialect(path)

    return write


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["a", "b"], ["a", "b"]),
        (["id", "id", "id"], ["id", "id_2", "id_3"]),
        (["id", "id", "id_2"], ["id", "id_3", "id_2"]),
        (["", "a", " "], ["column_1", "a", "column_3"]),
        (["column_2", ""], ["column_2", "column_2_2"]),
        ([" a\nb ", "c"], ["a b", "c"]),
    ],
)
def test_names_are_unique_and_clean(written, names):
    assert unique_names(written) == names


def test_rows_of_the_wrong_length_are_cut_or_filled_and_counted(table):
    path, dialect = table("a,b,c\n1,2,3\n4,5\n6,7,8,9\n\n,,\n10,11,\n12,13,14,\n")
    batches = list(scan(path, dialect))
    assert [row for batch in batches for row in batch.frame.rows()] == [
        ("1", "2", "3"), ("4", "5", ""), ("6", "7", "8"), ("10", "11", ""), ("12", "13", "14"),
    ]  # fmt: skip
    assert sum(batch.ragged for batch in batches) == 2


@pytest.mark.parametrize("stray", ["", '5" disk,x\n'], ids=["polars", "csv module"])
@pytest.mark.parametrize("all_blank", [False, True])
@pytest.mark.parametrize(
    ("body", "filled", "blank"),
    [
        ("1,a\n,\n2,b\n,\n", [("1", "a"), ("2", "b")], [("1", "a"), ("", ""), ("2", "b"), ("", "")]),
        ('1,\n" ",\n"",""\n', [("1", "")], [("1", ""), (" ", ""), ("", "")]),
        ("\n1,a\n\n  \n,,\n\n", [("1", "a")], [("1", "a"), ("", "")]),
    ],
    ids=["delimiters", "quotes", "empty lines"],
)
def test_a_row_of_nothing_but_delimiters_is_one_where_rows_may_be_all_blank(
    tmp_path, body, filled, blank, stray, all_blank
):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + stray + body)
    batches = list(scan(path, Dialect(encoding="utf-8"), all_blank=all_blank))
    rows = [row for batch in batches for row in batch.frame.rows()][bool(stray) :]
    assert rows == (blank if all_blank else filled)
    assert sum(batch.blank for batch in batches) == body.count("\n") - len(rows)


def test_in_one_column_quotes_alone_make_a_blank_row(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a\n1\n\n""\n" "\n2\n')
    (batch,) = scan(path, Dialect(encoding="utf-8"), all_blank=True)
    assert (batch.frame["a"].to_list(), batch.blank) == (["1", "", " ", "2"], 1)


@pytest.mark.parametrize("quoted", ['"x, y"', '"x\ny"', '"say ""hi"""'])
def test_small_blocks_never_cut_a_record(table, quoted):
    path, dialect = table("a,b\n" + "".join(f"{index},{quoted}\n" for index in range(300)))
    batches = list(scan(path, dialect, block_bytes=64))
    rows = [row for batch in batches for row in batch.frame.rows()]
    assert len(batches) > 10
    assert rows == [(str(index), quoted[1:-1].replace('""', '"')) for index in range(300)]


def test_line_ends_split_between_chunks_are_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a\r\nb\rc\n" * 50)
    for size in (1, 2, 3, 7):
        assert b"".join(utf8_chunks(path, "utf-8", size)) == b"a\nb\nc\n" * 50


def test_blocks_hold_whole_records_and_lose_nothing():
    text = b'a,"b\n\nc"\n' * 20 + b'd,"e'
    for size in (1, 5, 9, 50):
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        blocks = list(record_blocks(chunks, '"'))
        assert b"".join(blocks) == text
        assert all(block.count(b'"') % 2 == 0 and block.endswith(b"\n") for block in blocks[:-1])


def test_batches_are_of_the_size_and_columns_asked_for(table):
    path, dialect = table("a,b,c\n" + "1,2,3\n" * 250)
    frames = list(read_batches(path, dialect, columns=["c", "a"], batch_rows=100))
    assert [frame.height for frame in frames] == [100, 100, 50]
    assert frames[0].columns == ["c", "a"]
    with pytest.raises(KeyError, match="nope"):
        list(read_batches(path, dialect, columns=["nope"]))


def test_the_head_is_the_first_rows(table):
    path, dialect = table("a,b\n" + "".join(f"{index},x\n" for index in range(99)))
    assert read_head(path, dialect, rows=3)["a"].to_list() == ["0", "1", "2"]
    assert read_head(path, dialect).height == 50


def test_a_table_without_rows_keeps_its_columns(table):
    path, dialect = table("a,b\n")
    assert read_table(path, dialect).columns == ["a", "b"]
    assert read_table(path, dialect, ["b"]).shape == (0, 1)


def test_other_encodings_are_read_in_a_stream(table):
    path, dialect = table("name;city\n" + "José;São Paulo\n" * 200, encoding="utf-16")
    assert read_table(path, dialect).rows() == [("José", "São Paulo")] * 200


def test_a_stray_quote_far_down_hands_over_to_the_csv_module(table):
    rows = [f'{index},"text, {index}"\n' for index in range(3000)]
    rows[2000] = '2000,5" disk\n'
    path, dialect = table("a,b\n" + "".join(rows))
    found = read_table(path, dialect)
    assert found.height == 3000
    assert found["b"][2000] == '5" disk'
    assert found["b"][2999] == "text, 2999"


def test_a_quote_never_closed_is_named(table):
    rows = [f'{index},"text {index}"\n' for index in range(9000)] + ['9000,"open\n'] + ["1,x\n"] * 3000
    path, dialect = table("a,b\n" + "".join(rows))
    with pytest.raises(Unreadable, match="never closed; the text behind it starts 'open"):
        read_table(path, dialect)


def test_undecodable_bytes_become_replacement_characters(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n" + "é,è\n".encode() * 100 + b"\xff,x\n")
    assert read_table(path, detect_dialect(path))["a"][-1] == "\ufffd"
