"""Reads by Python's csv module what polars cannot: escape characters, blanks in front of quotes, stray quotes."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tabular.dialect import FIELD_LIMIT
from tabular.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contracts.schema import Dialect

_CSV_ROWS = 8192
_SWALLOWED_LINES = 1000


@dataclass(frozen=True)
class Batch:
    """Some rows of a table: every column a string, never null.

    Attributes:
        frame: The rows, without blank ones (see `is_row`).
        ragged: How many were cut or filled.
        bytes_read: Bytes of the table up to here.
        blank: How many blank ones were left out.
    """

    frame: pl.DataFrame
    ragged: int
    bytes_read: int
    blank: int = 0


def is_row(cells: list[str], width: int, *, all_blank: bool) -> bool:
    """Tell whether a line is a row: one with a value, or any with a delimiter where rows may be all blank.

    In a table of one column, where no delimiter tells, any line that is not empty is one then.
    """
    if any(cell.strip() for cell in cells):
        return True
    return all_blank and (len(cells) > 1 or (width == 1 and bool(cells)))


def is_ragged(cells: list[str], width: int) -> bool:
    """Tell whether a row is too short, or too long by more than blank cells; blank rows are neither."""
    if not any(cell.strip() for cell in cells):
        return False
    return len(cells) < width or any(cells[width:])


def parse_by_csv(
    blocks: Iterable[bytes], names: list[str], dialect: Dialect, spent: int, *, all_blank: bool
) -> Iterator[Batch]:
    """Read blocks by Python's csv module.

    Args:
        blocks: UTF-8 text whose blocks end at line ends.
        names: The unique names of the columns.
        dialect: How to split lines into cells.
        spent: The bytes read before these blocks.
        all_blank: Whether a row may be all blank, see `is_row`.

    Raises:
        Unreadable: A quote is never closed.
    """
    csv.field_size_limit(FIELD_LIMIT)
    lines = _Lines(blocks, spent)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quotechar,
        escapechar=dialect.escapechar,
        doublequote=dialect.doublequote,
        skipinitialspace=dialect.skip_initial_space,
        quoting=csv.QUOTE_NONE if dialect.quotechar is None else csv.QUOTE_MINIMAL,
    )
    width = len(names)
    last: list[str] = []
    try:
        while rows := list(itertools.islice(reader, _CSV_ROWS)):
            ragged = sum(is_ragged(row, width) for row in rows)
            kept = [
                row[:width] + [""] * (width - len(row))
                for row in rows
                if is_row(row, width, all_blank=all_blank)
            ]
            frame = pl.DataFrame(kept, schema=dict.fromkeys(names, pl.String), orient="row")
            yield Batch(frame, ragged, lines.spent, len(rows) - len(kept))
            last = rows[-1]
    except csv.Error as error:
        raise Unreadable(f"Row near line {reader.line_num} cannot be read: {error}.") from error
    swallowed = max(last, key=len, default="")
    if swallowed.count("\n") > _SWALLOWED_LINES:
        raise Unreadable(f"A quote is opened and never closed; the text behind it starts {swallowed[:60]!r}.")


class _Lines:
    """The lines of a stream of blocks, with the bytes counted that were given out."""

    def __init__(self, blocks: Iterable[bytes], spent: int) -> None:
        self._blocks = blocks
        self.spent = spent

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            self.spent += len(block)
            yield from io.StringIO(block.decode("utf-8", errors="replace"), newline="\n")
