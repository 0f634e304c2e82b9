"""Looks at what image columns name: files that are not there, and files that are no images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.preflight import MOST_EXAMPLES, Code, PreflightFinding, Severity
from contracts.schema import ColumnType
from tabular.preflight.case import named, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from contracts.schema import ImageMatch
    from tabular.images import ImageIndex
    from tabular.preflight.case import Case

MISSING_TO_STOP = 0.5


@dataclass(frozen=True)
class Decoded:
    """What came of decoding some files: how many were tried, why some failed, by their paths, and how many were left."""

    tried: int = 0
    broken: Mapping[str, str] = field(default_factory=dict)
    left: int = 0


def image_cells(case: Case, most: int) -> tuple[list[str], int]:
    """Choose some distinct cells of the image features, the same each time, to try their files.

    Returns:
        The cells, and how many others there are.
    """
    columns = [name for name, kind in case.plan.features.items() if kind is ColumnType.IMAGE]
    cells: list[str] = []
    every = 0
    for name in columns:
        distinct: pl.Series = case.features[name].drop_nulls().unique(maintain_order=True)
        every += len(distinct)
        cells += distinct.sample(min(most // len(columns), len(distinct)), seed=0).to_list()
    return cells, every - len(cells)


def files_of(cells: list[str], index: ImageIndex) -> list[str]:
    """Give the files that cells name, each once."""
    matches = (index.match_all(cell)[0] for cell in cells)
    return list(dict.fromkeys(match.path for found in matches for match in found))


def check_images(case: Case, decoded: Decoded) -> Iterator[PreflightFinding]:
    """Check for missing and broken images."""
    for name, kind in case.plan.features.items():
        match = case.schema.column(name).images
        if kind is ColumnType.IMAGE and match is not None and match.missing:
            yield _missing(case, name, match)
    if decoded.broken:
        yield _broken(decoded)


def _missing(case: Case, column: str, match: ImageMatch) -> PreflightFinding:
    rows = match.matched + match.missing
    scope = "" if case.schema.complete else " read so far"
    share = match.missing / rows
    none = match.matched == 0
    stops = share >= MISSING_TO_STOP
    example = match.missing_examples[0]
    if none:
        what = f"No value of {column!r} names an uploaded file, in {rows:,} rows{scope}, e.g. {example!r}."
    else:
        what = (
            f"{match.missing:,} of {rows:,} rows{scope} ({percent(share)}) name no uploaded file in {column!r}, "
            f"e.g. {example!r}; a model takes their image for blank."
        )
    return PreflightFinding(
        code=Code.IMAGES_MISSING,
        severity=Severity.ERROR if stops else Severity.WARNING,
        message=f"{what} Upload the data set again with all images, or leave the column out.",
        columns=[column],
        values=match.missing_examples[:MOST_EXAMPLES],
        overridable=stops and not (none and case.schema.complete),
    )


def _broken(decoded: Decoded) -> PreflightFinding:
    paths = sorted(decoded.broken)
    every = len(paths) == decoded.tried
    return PreflightFinding(
        code=Code.IMAGES_BROKEN,
        severity=Severity.ERROR if every else Severity.WARNING,
        message=f"{len(paths):,} of {decoded.tried:,} images tried cannot be decoded: {named(paths)} ({decoded.broken[paths[0]]}). "
        "They count as missing. Replace them and upload the data set again.",
        values=paths[:MOST_EXAMPLES],
        overridable=every,
    )
