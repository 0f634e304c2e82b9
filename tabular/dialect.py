"""Finds how the bytes of a file become a table: encoding, delimiter, quoting, preamble and header.

The delimiter and the quoting are those with the best data consistency score of van den Burg, Nazábal and Sutton,
"Wrangling messy CSV files by detecting row and type patterns", Data Mining and Knowledge Discovery 33 (2019): the
product of a pattern score (are the rows alike?) and a type score (are the cells of known kinds?).
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.schema import Dialect
from tabular.cells import Kind, kind_of
from tabular.encoding import detect_encoding
from tabular.errors import Unreadable
from tabular.header import Record, locate_header, usual_width

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Prior belief in each delimiter: the common four are equal; the rest must explain the file much better.
DELIMITERS = {
    ",": 1.0, ";": 1.0, "\t": 1.0, "|": 1.0, "\x01": 1.0, "\x1f": 1.0, "^": 0.7, "~": 0.7, ":": 0.4, " ": 0.4,
    "§": 0.7, "¤": 0.7, "¦": 0.7, "&": 0.5, "#": 0.5, "@": 0.5, "!": 0.5, "*": 0.5, "$": 0.5, "%": 0.5,
    "=": 0.4, "_": 0.3, "/": 0.3,
}  # fmt: skip
FIELD_LIMIT = 16 << 20
_SINGLE_COLUMN = 1e-3  # pattern score of a row without delimiter, as in the paper
_UNKNOWN_TYPE = 1e-10
_MALFORMED = 0.5
_TYPED_CELLS = 4000
_SURE = 0.6
_LINES_TRIED = 200
_MOSTLY = 0.8
_TYPED = {Kind.NUMBER, Kind.DATE, Kind.BOOLEAN, Kind.ADDRESS}


@dataclass(frozen=True)
class Format:
    """The part of a dialect that splits text into cells."""

    delimiter: str
    quotechar: str | None
    escapechar: str | None = None
    skip_initial_space: bool = False

    def records(self, text: str, *, strict: bool = False) -> Iterator[Record]:
        """Split text (with newlines as line ends) into records."""
        csv.field_size_limit(FIELD_LIMIT)
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quotechar,
            escapechar=self.escapechar,
            quoting=csv.QUOTE_NONE if self.quotechar is None else csv.QUOTE_MINIMAL,
            skipinitialspace=self.skip_initial_space,
            strict=strict,
        )
        before = 0
        for cells in reader:
            yield Record(before, cells)
            before = reader.line_num


def detect_dialect(path: Path, *, sample_bytes: int = 262144) -> Dialect:
    """Detect the dialect of a delimited text file from its first bytes.

    Args:
        path: The file.
        sample_bytes: How many bytes of its head to look at.

    Raises:
        Unreadable: The file is empty or no text.
    """
    with path.open("rb") as file:
        head = file.read(sample_bytes)
        whole = not file.read(1)
    encoding, bom = detect_encoding(path, head)
    text = head.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Unreadable("This file is empty: it holds no row and no header.")
    if not whole and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    chosen = choose_format(text, whole=whole)
    records = list(chosen.records(text))
    if not whole and len(records) > 1:
        records.pop()  # it may end inside a quoted cell
    if not any(record.filled for record in records):
        raise Unreadable("This file holds no cell with a value: only quotes, delimiters or blanks.")
    place = locate_header(records)
    return Dialect(
        encoding=encoding,
        bom=bom,
        delimiter=chosen.delimiter,
        quotechar=chosen.quotechar,
        escapechar=chosen.escapechar,
        doublequote=_doubles_quotes(text, chosen),
        skip_initial_space=chosen.skip_initial_space,
        preamble_lines=place.preamble_lines,
        has_header=place.header_lines > 0,
        header_lines=place.header_lines,
    )


def choose_format(text: str, *, whole: bool) -> Format:
    """Give the format with the highest consistency score.

    Args:
        text: The head of the file with newlines as line ends.
        whole: Whether that is all of it, so an unclosed quote is an error.
    """
    kinds: dict[str, Kind] = {}
    best, best_score = Format(",", '"'), -1.0
    quoted = False
    for candidate in _candidates(text):
        if quoted and candidate.quotechar is None:
            continue
        rows, malformed = _parse(candidate, text, whole=whole)
        if candidate.quotechar and not malformed and _opens_cells(candidate, text):
            if _keeps_one_column(rows, candidate):
                return candidate
            quoted |= usual_width(rows) > 1  # quotes that open and close cells throughout are no accident
        if DELIMITERS[candidate.delimiter] < _SURE and not _splits_clearly(rows, text):
            continue
        score = DELIMITERS[candidate.delimiter] * _pattern_score(rows) * (_MALFORMED if malformed else 1.0)
        if score <= best_score:
            continue  # the type score is at most 1
        score *= _type_score(rows, kinds, candidate)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _candidates(text: str) -> Iterator[Format]:
    lines = [line for line in text.split("\n", _LINES_TRIED)[:_LINES_TRIED] if line.strip()]
    delimiters = [
        delimiter
        for delimiter, prior in DELIMITERS.items()
        if delimiter in text and (prior == 1 or sum(delimiter in line for line in lines) > len(lines) / 2)
    ] or [","]
    pairs = itertools.product((True, False), delimiters)
    for with_quotes, delimiter in pairs:
        mark = re.escape(delimiter)
        quotes: list[str | None] = ['"'] if with_quotes else [None] if '"' in text else []
        if with_quotes and len(re.findall(rf"(?:^|{mark}) ?'[^'\n]*'(?={mark}|$)", text, re.MULTILINE)) > 1:
            quotes.append("'")
        for quote in quotes:
            spaced = (
                delimiter != " " and quote is not None and re.search(rf"{mark} +{quote}", text) is not None
            )
            escaped = re.search(rf"\\(?:{mark}|{quote or mark})", text) is not None
            for escape in (None, "\\") if escaped else (None,):
                yield Format(delimiter, quote, escape)
                if spaced:
                    yield Format(delimiter, quote, escape, skip_initial_space=True)


def _splits_clearly(rows: list[list[str]], text: str) -> bool:
    """Tell whether a mark that is common inside cells (blank, colon, slash) really separates columns here.

    Every row must have the same width; lines must not be dates or the like as a whole; and two columns of words
    alone are more likely one column of phrases.
    """
    width = len(rows[0]) if rows else 1
    if width == 1 or any(len(row) != width for row in rows):
        return False
    lines = [line for line in text.split("\n", _LINES_TRIED)[:_LINES_TRIED] if line.strip()]
    if sum(kind_of(line) in _TYPED for line in lines) >= _MOSTLY * len(lines):
        return False
    tried = rows[:_LINES_TRIED]
    typed = any(
        sum(kind_of(row[column]) in _TYPED for row in tried) > len(tried) / 2 for column in range(width)
    )
    return typed or width > 3  # noqa: PLR2004  phrases seldom all have four words


def _opens_cells(candidate: Format, text: str) -> bool:
    return (
        re.search(rf"(?:^|{re.escape(candidate.delimiter)}) ?{candidate.quotechar}", text, re.MULTILINE)
        is not None
    )


def _keeps_one_column(rows: list[list[str]], candidate: Format) -> bool:
    """Tell whether quotes alone keep the delimiter from splitting the only column there is; no accident does that."""
    return all(len(row) == 1 for row in rows) and any(candidate.delimiter in row[0] for row in rows)


def _parse(candidate: Format, text: str, *, whole: bool) -> tuple[list[list[str]], bool]:
    try:
        rows = [record.cells for record in candidate.records(text, strict=True) if record.cells]
    except csv.Error as error:
        rows = [record.cells for record in candidate.records(text) if record.cells]
        cut_off = not whole and "unexpected end" in str(error)
        return rows, not cut_off
    return rows, False


def _pattern_score(rows: list[list[str]]) -> float:
    widths = Counter(map(len, rows))
    total = sum(count * max(_SINGLE_COLUMN, width - 1) / width for width, count in widths.items())
    return total / max(len(widths), 1)


def _type_score(rows: list[list[str]], kinds: dict[str, Kind], candidate: Format) -> float:
    stride = max(1, sum(map(len, rows)) // _TYPED_CELLS)
    known = counted = 0
    position = 0
    for row in rows:
        for cell in row:
            position += 1
            if position % stride:
                continue
            counted += 1
            kind = kinds.get(cell)
            if kind is None:
                kind = kinds[cell] = kind_of(cell)
            known += kind is not Kind.OTHER and not _left_over(cell, candidate)
    return max(_UNKNOWN_TYPE, known / max(counted, 1))


def _left_over(cell: str, candidate: Format) -> bool:
    """Tell whether a cell still wears quotes or an escape that the right format would have taken off."""
    if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'" and candidate.quotechar != cell[0]:
        return True
    return candidate.escapechar is None and "\\" in cell and cell[-1] == "\\"


def _doubles_quotes(text: str, chosen: Format) -> bool:
    quote = chosen.quotechar
    return (
        quote is None
        or chosen.escapechar is None
        or re.search(rf"\w{quote}{quote}|{quote}{quote}\w", text) is not None
    )
