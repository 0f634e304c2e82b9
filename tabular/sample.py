"""Reads some rows of a table of any size, wherever it lies: all of a small one, parts spread over a large one.

A table may be sorted, so its first rows alone may be of one class. Parts start in the midst of a record, and perhaps
inside quotes; which of both is told by the quotes that stand behind a delimiter, where cells open.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tabular.blocks import last_record_end
from tabular.csvmodule import is_ragged
from tabular.reader import format_of, read_header, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from contracts.schema import Dialect

    Ranges = Callable[[int, int], bytes]  # bytes of the file from a position on, at most so many

MOST_BYTES = 32 << 20
MOST_CELLS = 5_000_000  # some 35 bytes of memory each while they are parsed
PARTS = 32  # ranged reads of an object store; one takes some 30 ms
_ROWS_A_PART = 8
_LEAST_SHARE = 8  # of the bytes that may be read: what is cheap is read whole
_MARGIN = 1.1  # rows differ in length
_TRIED_RECORDS = 50
_TRIED_QUOTES = 1000
_MOST_RAGGED = 0.2


@dataclass(frozen=True)
class Sample:
    """Rows of a table, in its order.

    Attributes:
        frame: Raw strings.
        numbers: Of the rows in the table, from 1 on; None where they are not known.
        whole: Whether these are all rows.
    """

    frame: pl.DataFrame
    numbers: pl.Series | None
    whole: bool


def read_sample(
    read: Ranges,
    size: int,
    dialect: Dialect,
    columns: Sequence[str],
    *,
    most_rows: int,
    most_bytes: int = MOST_BYTES,
) -> Sample:
    """Read rows.

    Args:
        read: Gives bytes of the file.
        size: Bytes of the file.
        dialect: How to read it.
        columns: Unique names of the columns wanted.
        most_rows: Rows wanted; of more that were read, a random choice that is always the same.
        most_bytes: Bytes that may be read.

    Raises:
        Unreadable: It is no table.
        KeyError: A wanted column does not exist.
    """
    most_rows = max(1, min(most_rows, MOST_CELLS // len(columns)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        head = read(0, min(size, most_bytes // PARTS))
        path.write_bytes(_whole_head(head, dialect))
        row = len(head) / max(1, read_table(path, dialect, columns[:1]).height)  # bytes
        budget = min(most_bytes, max(most_bytes // _LEAST_SHARE, int(_MARGIN * most_rows * row)))
        if size <= budget:
            rest = read(len(head), size - len(head)) if size > len(head) else b""
            path.write_bytes(head + rest)
            frame = read_table(path, dialect, columns)
        elif "\n\n".encode(dialect.encoding).endswith(b"\n\n"):
            starts, length = _places(size, len(head), budget, row)
            parts = (read(start, length) for start in starts)
            _write_parts(head[:length], parts, dialect, path)
            frame = read_table(path, dialect, columns)
        else:  # several bytes to a line feed: parts could start between them
            path.write_bytes(head + read(len(head), (budget & ~3) - len(head)))
            frame = read_table(path, dialect, columns).head(-1)  # the last is cut
    complete = size <= budget
    numbers = pl.arange(1, frame.height + 1, eager=True)
    if frame.height > most_rows:
        chosen = (numbers - 1).sample(most_rows, seed=0).sort()
        frame, numbers = frame[chosen], numbers[chosen]
        return Sample(frame, numbers if complete else None, whole=False)
    return Sample(frame, numbers if complete else None, whole=complete)


def _whole_head(raw: bytes, dialect: Dialect) -> bytes:
    """Cut the beginning of a file behind its last whole record."""
    start = 0
    for _ in range(dialect.preamble_lines):
        start = raw.find(b"\n", start) + 1
    return raw[: start + last_record_end(raw[start:], (dialect.quotechar or "").encode(), 0)]


def _places(size: int, head: int, budget: int, row: float) -> tuple[list[int], int]:
    """Say where parts behind the head start, the last one at the end of the file, and how many bytes each has."""
    length = min(head, max(budget // PARTS, int(_ROWS_A_PART * row)))
    parts = max(2, budget // length)
    return [number * (size - length) // (parts - 1) for number in range(1, parts)], length


def _write_parts(head: bytes, parts: Iterable[bytes], dialect: Dialect, path: Path) -> None:
    """Write the whole records of a head and of parts behind it."""
    with path.open("wb") as file:
        file.write(_whole_head(head, dialect))
        file.flush()
        width = len(read_header(path, dialect).names)
        for raw in parts:
            file.writelines(_whole_records(raw, dialect, width))


def _whole_records(raw: bytes, dialect: Dialect, width: int) -> Iterator[bytes]:
    """Cut a part of a file down to whole records; nothing where they do not look like the table's."""
    quote = (dialect.quotechar or "").encode()
    inside = quote != b"" and _starts_inside_quotes(raw, quote, dialect.delimiter.encode())
    start = _first_record(raw, quote, inside=inside)
    end = start + last_record_end(raw[start:], quote, 0)
    text = raw[start:end].decode(dialect.encoding, "replace")
    tried = [record.cells for record in itertools.islice(format_of(dialect).records(text), _TRIED_RECORDS)]
    if sum(is_ragged(cells, width) for cells in tried) <= _MOST_RAGGED * len(tried):
        yield raw[start:end]


def _starts_inside_quotes(raw: bytes, quote: bytes, delimiter: bytes) -> bool:
    quotes = enumerate(itertools.islice(re.finditer(re.escape(quote), raw), _TRIED_QUOTES))
    before = (
        (number, raw[max(0, found.start() - len(delimiter)) : found.start()]) for number, found in quotes
    )
    opening = [number % 2 for number, text in before if text == delimiter or text.endswith(b"\n")]
    return sum(opening) > len(opening) / 2


def _first_record(raw: bytes, quote: bytes, *, inside: bool) -> int:
    """Give the position behind the first line feed outside quotes; the end where there is none."""
    before, quotes = 0, int(inside)
    while (end := raw.find(b"\n", before) + 1) > 0:
        quotes += raw.count(quote, before, end) if quote else 0
        before = end
        if quotes % 2 == 0:
            return end
    return len(raw)
