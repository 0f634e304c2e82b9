"""Looks for rows that repeat all features of another row, with the same class or with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from contracts.preflight import Code, PreflightFinding, Severity
from tabular.copies import copy_groups
from tabular.preflight.case import percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tabular.preflight.case import Case

WORTH_TELLING = 0.01


def check_duplicates(case: Case) -> Iterator[PreflightFinding]:
    """Check for copies, and for rows that no model can tell apart."""
    if case.classes.is_empty():
        return
    yield from _copies(case)
    yield from _conflicts(case)


def _copies(case: Case) -> Iterator[PreflightFinding]:
    groups = copy_groups(case.features)
    if groups is None or case.split is not None:
        return  # a split column has a check of its own
    copies = ~groups.is_first_distinct()
    rows, count = len(groups), int(copies.sum())
    if count < WORTH_TELLING * rows:
        return
    yield PreflightFinding(
        code=Code.DUPLICATE_ROWS,
        severity=Severity.WARNING,
        message=f"{count:,} of {rows:,} rows{case.scope} ({percent(count / rows)}) repeat all features of another row. "
        "The random split keeps copies on one side, so none is validated by heart; "
        f"but these are {rows - count:,} examples, not {rows:,}. Leave copies out unless they are meant to weigh more.",
        rows=case.examples(copies),
    )


def _conflicts(case: Case) -> Iterator[PreflightFinding]:
    rows = case.features.height
    frame = pl.DataFrame({"same": case.features.hash_rows(seed=1), "class": case.classes})
    classes = frame.select(pl.col("class").n_unique().over("same")).to_series()
    torn = classes > 1
    count = int(torn.sum())
    if count < WORTH_TELLING * rows:
        return
    best = frame.group_by("same", "class").len().group_by("same").agg(pl.col("len").max())["len"].to_list()
    yield PreflightFinding(
        code=Code.CONFLICTING_ROWS,
        severity=Severity.WARNING,
        message=f"{count:,} of {rows:,} rows{case.scope} ({percent(count / rows)}) have all features in common with a row of another class. "
        f"No model that sees only these columns can name more than {percent(sum(best) / rows)} of the rows right. "
        "Correct the labels, or add a column that tells these rows apart.",
        rows=case.examples(torn),
    )
