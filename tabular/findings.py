"""Words for what a person should know about a table before training on it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from contracts.schema import ColumnType, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contracts.schema import ColumnProfile
    from tabular.reader import Header

MOSTLY_MISSING = 0.5
MOST_NAMED = 5
MOST_FINDINGS_A_CODE = 20


def findings_about(
    columns: Sequence[ColumnProfile], header: Header, rows: int, ragged: int, unused: int
) -> list[Finding]:
    """List the findings, those about the whole table first; of one code at most 20."""
    found: list[Finding] = []
    seen: Counter[str] = Counter()
    for finding in (*_about_table(header, rows, ragged, unused), *_about_columns(columns)):
        seen[finding.code] += 1
        if seen[finding.code] <= MOST_FINDINGS_A_CODE:
            found.append(finding)
    return found


def _about_table(header: Header, rows: int, ragged: int, unused: int) -> Iterator[Finding]:
    if rows == 0:
        yield Finding(level="error", code="no-rows", message="The table has a header but no row below it.")
    if ragged:
        yield Finding(
            level="warning",
            code="ragged-rows",
            message=f"{ragged:,} of {rows:,} rows have more or fewer cells than the header; they were cut or filled with blanks.",
        )
    written = [" ".join(name.split()) for name in header.written]
    repeated = [name for name, count in Counter(written).items() if name and count > 1]
    if repeated:
        shown = ", ".join(repeated[:MOST_NAMED])
        yield Finding(
            level="warning",
            code="duplicate-names",
            message=f"{len(repeated):,} column names occur more than once and were numbered: {shown}.",
        )
    blank = sum(not name for name in written)
    if blank:
        yield Finding(
            level="info", code="blank-names", message=f"{blank:,} columns have no name and were given one."
        )
    if unused:
        yield Finding(
            level="info", code="unused-files", message=f"{unused:,} uploaded files are named by no row."
        )


def _about_columns(columns: Sequence[ColumnProfile]) -> Iterator[Finding]:
    for column in columns:
        if column.images is not None and column.images.missing:
            yield Finding(
                level="warning" if column.images.matched else "error",
                code="missing-images",
                message=f"{column.images.missing:,} rows of {column.name!r} name no uploaded file, e.g. {column.images.missing_examples[0]!r}.",
                column=column.name,
            )
        if column.type is ColumnType.CONSTANT:
            yield Finding(
                level="info", code="constant", message=f"{column.name!r}: {column.why}", column=column.name
            )
        elif column.missing > MOSTLY_MISSING * column.rows:
            share = 100 * column.missing / column.rows
            yield Finding(
                level="warning",
                code="mostly-missing",
                message=f"{column.name!r} has no value in {share:.3g} % of the rows.",
                column=column.name,
            )
        if column.disagreeing_count and column.images is None:
            yield Finding(
                level="info",
                code="disagreeing-values",
                message=f"{column.disagreeing_count:,} values of {column.name!r} do not fit its type {column.type.value}, e.g. {column.disagreeing[0]!r}.",
                column=column.name,
            )
