"""A new table, read as the columns that a model was trained on: names are matched forgivingly, and what was assumed is told."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import polars as pl

from contracts.schema import ColumnType
from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.parse import is_missing
from tabular.reader import read_header, scan
from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from contracts.schema import Dialect
    from trainer.columns import Column

EXAMPLES = 3
MOST = 0.5  # share of a column's values beyond which it is probably not the column meant
WHAT = {
    ColumnType.NUMERIC: "are no numbers",
    ColumnType.DATETIME: "are no dates",
    ColumnType.IMAGE: "name no image file",
}


class NewTable:
    """The table's rows under the model's names."""

    def __init__(
        self, path: Path, columns: Sequence[Column], target: str, dialect: Dialect | None = None
    ) -> None:
        """Find the model's columns in a table.

        Args:
            path: The CSV.
            columns: What the model reads.
            target: What it predicts; that the table holds this column as well is no surprise.
            dialect: How the CSV is written; None to detect it.

        Raises:
            DataError: The table cannot be read, or has none of the columns.
        """
        self._path, self._columns = path, columns
        try:
            self._dialect = dialect or _dialect(path, columns)
            there = read_header(path, self._dialect).names
        except (Unreadable, OSError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        self._found, self.notes = match_columns(there, columns, target)
        if not self._found:
            wanted, names = (", ".join(map(repr, some)) for some in ([c.name for c in columns], there))
            raise DataError(f"{path} has none of the model's columns {wanted}; its columns are {names}")
        self._misfits = {column.name: _Misfit(column) for column in columns if column.type in WHAT}
        self._empty_lines = 0

    def batches(self, rows: int) -> Iterator[pl.DataFrame]:
        """Give its rows as strings, at least one frame, of ``rows`` rows save for the last; absent columns hold nulls.

        A row of nothing but delimiters is one, all of it missing; an empty line is none.

        Raises:
            DataError: The table turns out to be unreadable further down.
        """
        wanted = [
            pl.col(self._found[column.name]).alias(column.name)
            if column.name in self._found
            else pl.lit(None, dtype=pl.String).alias(column.name)
            for column in self._columns
        ]
        held = [pl.DataFrame(schema={column.name: pl.String for column in self._columns})]
        size = whole_frames = 0
        try:
            for batch in scan(self._path, self._dialect, all_blank=True):
                self._empty_lines += batch.blank
                for some in batch.frame.select(wanted).iter_slices(rows):
                    held.append(some)
                    size += len(some)
                    if size >= rows:
                        whole = pl.concat(held)
                        yield whole[:rows]
                        held, size = [whole[rows:]], size - rows
                        whole_frames += 1
        except (Unreadable, OSError) as error:
            raise DataError(f"{self._path} cannot be read: {error}") from error
        if size or not whole_frames:
            yield pl.concat(held)

    def expect_no_images(self) -> None:
        """Do not count images without a file: there are no files."""
        self._misfits = {n: m for n, m in self._misfits.items() if m.column.type is not ColumnType.IMAGE}

    def count_misfits(self, raw: pl.DataFrame, typed: pl.DataFrame) -> None:
        """Count the values that could not be read as their column's type."""
        for name, misfit in self._misfits.items():
            misfit.count(raw[name], typed[name])

    def closing_notes(self) -> list[str]:
        """Tell of what was counted while the rows were read: values that misfit, and empty lines."""
        notes = [note for misfit in self._misfits.values() if (note := misfit.note())]
        if self._empty_lines:
            notes.append(
                f"empty lines in the table: {self._empty_lines}; they are no rows, nothing is predicted for them"
            )
        return notes


class _Misfit:
    """Values of one column that are there but cannot be read as its type."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self._present = self._odd = 0
        self._examples: list[str] = []

    def count(self, raw: pl.Series, typed: pl.Series) -> None:
        present = ~is_missing(raw, self.column.missing_tokens)
        odd = raw.filter(present & typed.is_null())
        self._present += int(present.sum())
        self._odd += len(odd)
        missing = EXAMPLES - len(self._examples)
        self._examples += odd.unique(maintain_order=True).head(missing).str.slice(0, 50).to_list()

    def note(self) -> str:
        if not self._odd:
            return ""
        some = ", ".join(map(repr, self._examples))
        text = (
            f"column {self.column.name!r}: {self._odd} of {self._present} values {WHAT[self.column.type]} "
            f"and count as missing, e.g. {some}"
        )
        return f"{text}; is it the right column?" if self._odd > MOST * self._present else text


def match_columns(
    there: Sequence[str], columns: Sequence[Column], target: str
) -> tuple[dict[str, str], list[str]]:
    """Find each column by its name, else by one that differs only in what people do not see as a difference.

    Args:
        there: The table's columns.
        columns: Those looked for.
        target: The column that is predicted, which is not missed and not in the way.

    Returns:
        The table's name of each column found, and what was assumed.
    """
    found = {column.name: column.name for column in columns if column.name in there}
    free = [name for name in there if name not in found]
    notes = []
    for column in columns:
        if column.name in found:
            continue
        alike = [name for name in free if _key(name) == _key(column.name)]
        if not alike:
            notes.append(f"column {column.name!r} is not in the table: its values count as missing")
            continue
        found[column.name] = alike[0]
        free.remove(alike[0])
        others = f", though {', '.join(map(repr, alike[1:]))} could be meant as well" if alike[1:] else ""
        notes.append(f"column {alike[0]!r} is read as {column.name!r}{others}")
    extra = [name for name in free if _key(name) != _key(target)]
    if extra:
        notes.append(f"columns the model does not read are left aside: {', '.join(map(repr, extra))}")
    return found, notes


def _key(name: str) -> str:
    """Reduce a name to its letters: case, unicode forms, byte order marks, blanks, underscores and hyphens do not count."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(
        c for c in text if not (c.isspace() or c == "_" or unicodedata.category(c) in {"Pd", "Cf"})
    )


def _dialect(path: Path, columns: Sequence[Column]) -> Dialect:
    """Detect how the file is written; of a few rows it cannot be told that the first is a header, but the names tell."""
    dialect = detect_dialect(path)
    if dialect.has_header:
        return dialect
    with_header = dialect.model_copy(update={"has_header": True, "header_lines": 1})
    names = {_key(name) for name in read_header(path, with_header).names}
    return with_header if names & {_key(column.name) for column in columns} else dialect
