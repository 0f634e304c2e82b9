"""Rows from parts of a table: whole records, spread over it, and few bytes."""

from __future__ import annotations

import csv
import io
import random

import pytest

from contracts.schema import Dialect
from tabular.dialect import detect_dialect
from tabular.sample import read_sample

BUDGET = 200_000


def write(rows, *, encoding="utf-8", **form):
    out = io.StringIO()
    csv.writer(out, **form).writerows([["id", "words", "label"], *rows])
    return out.getvalue().encode(encoding)


def sample_of(tmp_path, raw, columns=("id", "words", "label"), **limits):
    """Read a sample; counts the bytes that were asked for."""
    path = tmp_path / "table.csv"
    path.write_bytes(raw)
    asked = []

    def read(start, length):
        asked.append(length)
        return raw[start : start + length]

    limits = {"most_rows": 10**6, "most_bytes": BUDGET, **limits}
    sample = read_sample(read, len(raw), detect_dialect(path), list(columns), **limits)
    assert sum(asked) <= limits["most_bytes"]
    return sample


def rows_of(count, words):
    """Sorted by label: the first rows are of one class."""
    return [[f"row {n}", words(n), "abcd"[4 * n // count]] for n in range(count)]


PLAIN = rows_of(40_000, lambda n: f"plain words {n}")
QUOTED = rows_of(40_000, lambda n: f'words, "quoted" {n}')
LINES = rows_of(
    30_000, lambda n: f'one line\nanother, with {n},{n}\n\nand "a third"' if n % 3 else f"short {n}"
)
LONG = rows_of(300, lambda n: "\n".join(f"line {line}, of row {n}" for line in range(200)))


@pytest.mark.parametrize(
    ("rows", "form"),
    [
        (PLAIN, {}),
        (PLAIN, {"encoding": "utf-8-sig"}),
        (PLAIN, {"encoding": "cp1252", "delimiter": ";"}),
        (QUOTED, {}),
        (QUOTED, {"quoting": csv.QUOTE_ALL, "delimiter": "\t"}),
        (LINES, {}),
        (LINES, {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"}),
        (LONG, {}),
    ],
    ids=[
        "plain",
        "bom",
        "semicolon",
        "quotes",
        "all-quoted",
        "line-feeds",
        "all-quoted-line-feeds",
        "long-cells",
    ],
)
def test_a_large_table_gives_whole_records_of_all_its_parts(tmp_path, rows, form):
    sample = sample_of(tmp_path, write(rows, **form))
    known = {tuple(row) for row in rows}
    assert set(sample.frame.rows()) <= known
    assert set(sample.frame["label"]) == set("abcd")
    assert (sample.whole, sample.numbers) == (False, None)
    assert sample.frame.estimated_size() > BUDGET / 4


def test_a_small_table_is_read_whole_and_its_rows_are_numbered(tmp_path):
    sample = sample_of(tmp_path, write(PLAIN[:1000]))
    assert sample.whole
    assert sample.frame.rows() == [tuple(row) for row in PLAIN[:1000]]
    assert sample.numbers.to_list() == list(range(1, 1001))


def test_of_too_many_rows_a_random_choice_keeps_order_and_numbers(tmp_path):
    raw = write([[f"row {n}", "w", "ab"[n % 2]] for n in range(1000)])
    sample, again = (sample_of(tmp_path, raw, most_rows=100) for _ in range(2))
    assert not sample.whole
    assert [f"row {number - 1}" for number in sample.numbers] == sample.frame["id"].to_list()
    assert set(sample.frame["label"]) == {"a", "b"}
    assert sample.frame.equals(again.frame)


def test_lines_above_the_header_are_no_records(tmp_path):
    raw = b'An "export of today\n\n' + write(PLAIN)
    dialect = Dialect(encoding="utf-8", preamble_lines=2)
    sample = read_sample(
        lambda start, length: raw[start : start + length],
        len(raw),
        dialect,
        ["label", "id"],
        most_rows=10**6,
        most_bytes=BUDGET,
    )
    assert sample.frame.columns == ["label", "id"]
    assert set(sample.frame["label"]) == set("abcd")


def test_of_two_bytes_to_a_character_the_beginning_is_read(tmp_path):
    sample = sample_of(tmp_path, write(PLAIN, encoding="utf-16"))
    assert sample.frame.rows() == [tuple(row) for row in PLAIN[: sample.frame.height]]
    assert not sample.whole


def test_parts_that_do_not_look_like_the_table_are_left_out(tmp_path):
    raw = write(PLAIN) + b"no comma here at all\n" * 40_000
    path = tmp_path / "head.csv"
    path.write_bytes(raw[:10_000])
    sample = read_sample(
        lambda start, length: raw[start : start + length],
        len(raw),
        detect_dialect(path),
        ["id", "label"],
        most_rows=10**6,
        most_bytes=BUDGET,
    )
    assert (sample.frame["label"] == "").mean() < 0.1


def test_random_tables_of_quotes_and_line_feeds_never_give_a_row_that_is_not_there(tmp_path):
    chance = random.Random(3)
    pieces = ["a", " b", ",", '"', "\n", '","', '"\n"', "''", "word "]
    rows = [
        [f"row {n}", "x" + "".join(chance.choices(pieces, k=chance.randrange(12))) + "x", "abcd"[n // 5000]]
        for n in range(20_000)
    ]
    sample = sample_of(tmp_path, write(rows))
    strange = set(sample.frame.rows()) - {tuple(row) for row in rows}
    assert len(strange) <= 0.01 * sample.frame.height
