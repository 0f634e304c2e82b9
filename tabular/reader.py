"""Reads a delimited file of any size as batches of strings.

Blocks of whole records (blocks.py) are parsed by polars' read_csv one at a time, so memory is bounded by the block
and not by the file; `scan_csv` would map the whole file. What polars cannot read (an escape character, blanks in
front of quotes, stray quotes) is read by Python's csv module, from the first such block on.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from tabular.blocks import BLOCK_BYTES, blocks_of
from tabular.csvmodule import Batch, is_ragged, is_row, parse_by_csv
from tabular.dialect import Format
from tabular.header import usual_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from contracts.schema import Dialect

BATCH_ROWS = 65536
HEAD_ROWS = 50
_HEAD_BLOCK = 1 << 20
_EXTRA = "\x00extra"


@dataclass(frozen=True)
class Header:
    """The unique names of the columns, and how the names stood in the file."""

    names: list[str]
    written: list[str]


def read_batches(
    path: Path, dialect: Dialect, *, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """Yield the table in order, in frames of at most `batch_rows` rows.

    Args:
        path: The file.
        dialect: How to read it, from `detect_dialect`.
        columns: Unique names of the columns wanted, in the order wanted; all if None.
        batch_rows: Most rows a frame may hold.

    Raises:
        Unreadable: A quote is never closed.
        KeyError: A wanted column does not exist.
    """
    for batch in scan(path, dialect):
        frame = batch.frame if columns is None else _chosen(batch.frame, columns)
        yield from frame.iter_slices(batch_rows)


def read_table(path: Path, dialect: Dialect, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read the whole table, or some of its columns, as strings."""
    frames = list(read_batches(path, dialect, columns=columns))
    if frames:
        return pl.concat(frames, rechunk=True)
    return _chosen(_empty(read_header(path, dialect).names), columns)


def read_head(path: Path, dialect: Dialect, rows: int = HEAD_ROWS) -> pl.DataFrame:
    """Read the first rows."""
    frames, missing = [_empty(read_header(path, dialect).names)], rows
    for batch in scan(path, dialect, block_bytes=_HEAD_BLOCK):
        frames.append(batch.frame.head(missing))
        missing = rows - sum(frame.height for frame in frames)
        if missing <= 0:
            break
    return pl.concat(frames, rechunk=True)


def read_header(path: Path, dialect: Dialect) -> Header:
    """Read the names of the columns: of several header rows joined, of none made up, always unique."""
    block = next(blocks_of(path, dialect, _HEAD_BLOCK), b"")
    header, _ = _split_header(block, dialect)
    return header


def scan(
    path: Path, dialect: Dialect, *, block_bytes: int = BLOCK_BYTES, all_blank: bool = False
) -> Iterator[Batch]:
    """Yield the table in batches of one block each, with the ragged rows and the blank ones left out counted.

    Args:
        path: The file.
        dialect: How to read it.
        block_bytes: What is read at a time.
        all_blank: Whether a row may be all blank, as in prediction, where every row wants an answer; empty lines never are.

    Raises:
        Unreadable: A quote is never closed.
    """
    blocks = blocks_of(path, dialect, block_bytes)
    first = next(blocks, b"")
    header, body = _split_header(first, dialect)
    names = header.names
    rest = itertools.chain([body], blocks)
    spent = len(first) - len(body)
    if _polars_reads(dialect):
        for block in rest:
            spent += len(block)
            batch = _parse_block(block, names, dialect, spent, all_blank=all_blank)
            if batch is None:
                rest = itertools.chain([block], rest)
                spent -= len(block)
                break
            yield batch
        else:
            return
    yield from parse_by_csv(rest, names, dialect, spent, all_blank=all_blank)


def unique_names(written: Sequence[str]) -> list[str]:
    """Name every column: blanks become column_<n> (from 1), repeats get _2, _3, ... behind them."""
    names: list[str] = []
    taken = {name.strip() for name in written}
    used: set[str] = set()
    repeats: dict[str, int] = {}  # where to go on: thousands of columns may have one name
    for position, raw in enumerate(written, start=1):
        base = " ".join(raw.split()) or f"column_{position}"
        name, repeat = base, repeats.get(base, 2)
        while name in used or (name != base and name in taken):
            name, repeat = f"{base}_{repeat}", repeat + 1
        repeats[base] = repeat
        used.add(name)
        names.append(name)
    return names


def _chosen(frame: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
    if columns is None:
        return frame
    for column in columns:
        if column not in frame.columns:
            raise KeyError(column)
    return frame.select(columns)


def _empty(names: list[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(names, pl.String))


def _polars_reads(dialect: Dialect) -> bool:
    plain = dialect.delimiter.isascii() and (dialect.quotechar or '"').isascii()
    return plain and dialect.escapechar is None and not dialect.skip_initial_space


def format_of(dialect: Dialect) -> Format:
    """Give the part of a dialect that splits text into cells."""
    return Format(dialect.delimiter, dialect.quotechar, dialect.escapechar, dialect.skip_initial_space)


def _split_header(block: bytes, dialect: Dialect) -> tuple[Header, bytes]:
    """Read the header rows of the first block; give them with what follows."""
    text = block.decode("utf-8", errors="replace")
    records = format_of(dialect).records(text)
    if not dialect.has_header:
        width = usual_width([record.cells for record in itertools.islice(records, 1000)])
        written = [""] * width
        return Header(unique_names(written), written), block
    rows: list[list[str]] = []
    lines = 0
    for record in records:
        if len(rows) == max(1, dialect.header_lines):
            lines = record.line
            break
        if any(cell.strip() for cell in record.cells):
            rows.append(record.cells)
    else:
        lines = text.count("\n") + 1
    written = _joined(rows)
    return Header(unique_names(written), written), _skip_lines(block, lines)


def _skip_lines(block: bytes, lines: int) -> bytes:
    position = 0
    for _ in range(lines):
        end = block.find(b"\n", position)
        if end < 0:
            return b""
        position = end + 1
    return block[position:]


def _joined(rows: list[list[str]]) -> list[str]:
    if not rows:
        return [""]
    if len(rows) == 1:
        return rows[0]
    width = max(map(len, rows))
    padded = [row + [""] * (width - len(row)) for row in rows]
    return [
        " ".join(dict.fromkeys(part.strip() for part in parts if part.strip()))
        for parts in zip(*padded, strict=True)
    ]


def _parse_block(
    block: bytes, names: list[str], dialect: Dialect, spent: int, *, all_blank: bool
) -> Batch | None:
    """Parse one block by polars; None if its quoting is not well-formed."""
    fields = [*names, _EXTRA]  # a column too many shows the rows that are too long
    keys = [f"c{index}" for index in range(len(fields))]
    top = dialect.delimiter.join(keys).encode() + b"\n"
    try:
        frame = pl.read_csv(
            top + block,
            empty_string_is_null=False,
            extra_columns="ignore",
            encoding="utf8-lossy",
            separator=dialect.delimiter,
            quote_char=dialect.quotechar,
            infer_schema=False,
        )
    except pl.exceptions.ComputeError:
        return None
    frame.columns = fields
    extra = frame.drop_in_place(_EXTRA)
    ragged = int((extra != "").sum())
    if _rows_fall_short(frame, block, dialect, extra):
        ragged = sum(
            is_ragged(record.cells, len(names))
            for record in format_of(dialect).records(block.decode("utf-8", "replace"))
        )
    kept = _with_a_value(frame)
    if all_blank and kept.height < frame.height:  # to polars an empty line is a row as well
        lines = format_of(dialect).records(block.decode("utf-8", "replace"))
        rows = [is_row(line.cells, len(names), all_blank=True) for line in lines]
        if len(rows) != frame.height:
            return None
        kept = frame.filter(rows)
    return Batch(kept, ragged, spent, frame.height - kept.height)


def _rows_fall_short(frame: pl.DataFrame, block: bytes, dialect: Dialect, extra: pl.Series) -> bool:
    """Tell whether delimiters are missing, comparing those of the block with those between and inside cells."""
    last = frame.to_series(frame.width - 1)
    if frame.width == 1 or not (last == "").any():
        return False
    delimiters = block.count(dialect.delimiter.encode())
    if dialect.quotechar and dialect.quotechar.encode() in block:
        inside = frame.select(
            pl.sum_horizontal(pl.all().str.count_matches(dialect.delimiter, literal=True).sum())
        )
        delimiters -= int(inside.item())
    return delimiters - int((extra != "").sum()) < frame.height * (frame.width - 1)


def _with_a_value(frame: pl.DataFrame) -> pl.DataFrame:
    first = frame.to_series(0)
    if first.len() == 0 or not (first.str.strip_chars() == "").any():
        return frame  # a row with a first cell is not blank
    return frame.filter(pl.any_horizontal(pl.all().str.strip_chars() != ""))
