"""Rows sent inside a request, as the trainer reads the table they are written to."""

from __future__ import annotations

import polars as pl
import pytest

from contracts.schema import ColumnProfile, ColumnType
from services.api.inline import DIALECT, lay_out
from tabular.images import ImageIndex
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
            Column(name=one.name, type=one.type, modality="text", number_format=one.number_format)
            for one in profiles
        ]
        new = NewTable(path, columns, "label", DIALECT)
        whole = pl.concat(new.batches(2))
        assert new.closing_notes() == []
        return whole

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
    sent = [(row.get("a") or "").replace("\r\n", "\n") for row in rows]
    assert whole["a"].to_list() == sent
