"""Rows sent inside a request, as the trainer reads the table they are written to."""

from __future__ import annotations

import sys

import polars as pl
import pytest

from contracts.job import MODALITY_OF
from contracts.schema import ColumnProfile, ColumnType, NumberFormat
from services.api.inline import DIALECT, lay_out
from tabular.images import ImageIndex
from trainer.cleaning import clean
from trainer.columns import Column
from trainer.newtable import NewTable


def profile(name, kind=ColumnType.TEXT, **given):
    return ColumnProfile(
        name=name, position=0, type=kind, rule="", why="", rows=0, missing=0, distinct=0, **given
    )


@pytest.fixture
def read(tmp_path):
    """Give the rows that a trainer sees of rows sent."""

    def answer(rows, profiles):
        laid_out = lay_out(rows, {}, profiles, lambda: ImageIndex([]), lambda _: b"")
        path = tmp_path / "table.csv"
        path.write_bytes(laid_out.csv)
        columns = [
            Column(
                name=one.name, type=one.type, modality=MODALITY_OF[one.type], number_format=one.number_format
            )
            for one in profiles
        ]
        new = NewTable(path, columns, "label", DIALECT)
        whole = pl.concat(new.batches(2))
        assert new.closing_notes() == []
        return clean(whole, columns, None)

    return answer


@pytest.mark.parametrize("names", [["a"], ["a", "b"]], ids=["one column", "two columns"])
@pytest.mark.parametrize(
    "rows",
    [
        [{}],
        [{}, {}],
        [{"a": "x"}, {}, {"a": "y"}, {"a": None}],
        [{"a": ""}, {"a": "  "}, {"a": "\t"}, {"a": "\n"}, {"a": "\r\n"}, {"a": '"'}, {"a": ","}],
    ],
    ids=["one empty", "all empty", "some empty", "blanks"],
)
def test_as_many_rows_are_read_as_were_sent(read, rows, names):
    whole = read(rows, [profile(name) for name in names])
    assert whole["a"].to_list() == [(row.get("a") or "").strip() or None for row in rows]


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("thousands", [None, " ", "'"])
def test_a_number_is_read_as_it_was_sent_whatever_its_size(read, decimal, thousands):
    numbers = [1234567.5, -0.25, 3, 1e22, 5e-324, 1e-05, sys.float_info.max, 10**200, 0]
    form = NumberFormat(decimal=decimal, thousands=thousands)
    whole = read(
        [{"n": number} for number in numbers], [profile("n", ColumnType.NUMERIC, number_format=form)]
    )
    assert whole["n"].to_list() == [float(number) for number in numbers]


@pytest.mark.parametrize("number", [10**400, float("inf"), float("nan")])
def test_a_number_that_is_none_counts_as_missing(read, number):
    form = NumberFormat(thousands=",")
    assert read([{"n": number}], [profile("n", ColumnType.NUMERIC, number_format=form)])["n"].to_list() == [
        None
    ]
