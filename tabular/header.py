"""Finds where a table starts: how many lines stand above it and how many rows name its columns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tabular.cells import Kind, kind_of

_LOOKED_AT = 200
_LATEST_START = 60
_WIDE_ENOUGH = 0.6
_MAJORITY = 0.8
_LONG_NAME = 120
_MOST_HEADER_ROWS = 4
_YEARS = range(1500, 2200)
_STRONG = {Kind.NUMBER, Kind.DATE, Kind.BOOLEAN, Kind.ADDRESS}


@dataclass(frozen=True)
class Record:
    """One record of a file and the number of physical lines in front of it."""

    line: int
    cells: list[str]

    @property
    def filled(self) -> int:
        """Count the cells that are not blank."""
        return sum(1 for cell in self.cells if cell.strip())


@dataclass(frozen=True)
class Place:
    """Where the table starts."""

    preamble_lines: int
    header_lines: int


def locate_header(records: list[Record]) -> Place:
    """Find the preamble and the header rows.

    Args:
        records: The first records of the file, blank ones included.
    """
    rows = [record for record in records[:_LOOKED_AT] if record.filled]
    if not rows:
        return Place(0, 1)
    start = _first_row(rows)
    body = rows[start:]
    width = max(len(body[0].cells), usual_width([record.cells for record in body]))
    header_rows = 0
    while header_rows < min(_MOST_HEADER_ROWS, len(body)):
        verdict = _header_score(
            body[header_rows].cells, [row.cells for row in body[header_rows + 1 :]], width
        )
        names = verdict.score >= 0 if header_rows == 0 else verdict.clearly
        if not names:
            break
        header_rows += 1
    if header_rows:
        start, header_rows = _with_group_titles(rows, start, header_rows)
    return Place(rows[start].line, header_rows)


def usual_width(rows: list[list[str]]) -> int:
    """Give the most frequent number of cells of rows that are not blank; of equals, the largest."""
    widths = Counter(len(row) for row in rows if any(cell.strip() for cell in row))
    return max(widths, key=lambda width: (widths[width], width), default=1)


def _first_row(rows: list[Record]) -> int:
    width = usual_width([row.cells for row in rows])
    filled = median(row.filled for row in rows if len(row.cells) == width)
    for index, row in enumerate(rows[:_LATEST_START]):
        comment = row.cells[0].lstrip().startswith(("#", "//")) and index + 1 < len(rows)
        if width == 1:
            if not comment:
                return index
        elif len(row.cells) >= max(2, _WIDE_ENOUGH * width) and row.filled >= min(width / 2, filled):
            return index
    return 0


def _with_group_titles(rows: list[Record], start: int, header_rows: int) -> tuple[int, int]:
    """Take in rows right above the header that name groups of its columns."""
    width = len(rows[start].cells)
    while start > 0 and header_rows < _MOST_HEADER_ROWS:
        above = rows[start - 1]
        adjacent = above.line + 1 == rows[start].line
        texts = [cell for cell in above.cells if cell.strip()]
        if not (adjacent and len(above.cells) == width and len(texts) > 1 and _all_words(texts)):
            break
        start -= 1
        header_rows += 1
    return start, header_rows


def _all_words(texts: list[str]) -> bool:
    return all(kind_of(text) in {Kind.WORDS, Kind.OTHER} for text in texts)


@dataclass(frozen=True)
class _Verdict:
    score: float
    clearly: bool


def _header_score(row: list[str], rest: list[list[str]], width: int) -> _Verdict:
    if not rest:
        named = sum(kind_of(cell) in {Kind.WORDS, Kind.OTHER} for cell in row)
        return _Verdict(named - len(row) / 2, clearly=False)
    score, disagreeing, agreeing, strong = 0.0, 0, 0, 0
    in_years = _run_of_years(row)
    for column, cell in enumerate(row[:width]):
        below = [cells[column].strip() for cells in rest if column < len(cells) and cells[column].strip()]
        kind, text = kind_of(cell), cell.strip()
        usual = _strong_kind(below)
        if kind is Kind.BLANK:
            score -= 0.25 if len(below) > len(rest) / 2 else 0.0
        elif usual is not None:
            strong += 1
            if kind is Kind.MISSING:
                continue
            same = kind is usual and not (in_years and kind is Kind.NUMBER)
            agreeing += same
            disagreeing += not same
            score += -1.0 if same else 1.0
        elif text in below:
            score -= 1.0
        elif kind in _STRONG - {Kind.BOOLEAN} or len(text) > _LONG_NAME:
            score -= 0.5
    clearly = strong > 0 and agreeing == 0 and disagreeing >= max(min(2, strong), strong / 2)
    return _Verdict(score, clearly)


def _strong_kind(below: list[str]) -> Kind | None:
    kinds = Counter(kind_of(text) for text in below)
    kinds.pop(Kind.MISSING, None)
    if not kinds:
        return None
    kind, count = kinds.most_common(1)[0]
    return kind if kind in _STRONG and count >= _MAJORITY * kinds.total() else None


def _run_of_years(row: list[str]) -> bool:
    """Tell whether the numbers of a row are years in steady steps: names of columns, not their values."""
    # int() refuses thousands of digits; five are no year any more
    numbers = [int(cell[:5]) for cell in map(str.strip, row) if cell.isascii() and cell.isdigit()]
    if len(numbers) < 2 or any(number not in _YEARS for number in numbers):  # noqa: PLR2004  a step needs two
        return False
    return len({later - earlier for earlier, later in pairwise(numbers)}) == 1
