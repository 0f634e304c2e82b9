"""Looks at a split column: does it give both sides rows, and do they share classes and no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.job import TRAIN_WORDS, VAL_WORDS
from contracts.preflight import MOST_EXAMPLES, Code, PreflightFinding, Severity
from tabular.copies import copy_groups
from tabular.preflight.case import named, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from tabular.preflight.case import Case

COPIES_TO_STOP = 0.2


def check_split_column(case: Case) -> Iterator[PreflightFinding]:
    """Check a split by a column; nothing where the split is random."""
    if case.split is None or case.classes.is_empty():
        return
    words = case.split.str.strip_chars().str.to_lowercase()
    train, val = words.is_in(TRAIN_WORDS), words.is_in(VAL_WORDS)
    if not (train.any() and val.any()):
        yield _one_sided(case, words, "val" if train.any() else "train")
        return
    yield from _classes(case, train, val)
    yield from _copies(case, train, val)


def _one_sided(case: Case, words: pl.Series, side: str) -> PreflightFinding:
    column = str(case.plan.split_column)
    found = [str(word) for word in words.unique().sort().to_list()]
    # a table of which parts were looked at may have them elsewhere
    return PreflightFinding(
        code=Code.SPLIT_COLUMN,
        severity=Severity.ERROR,
        message=f"{column!r} marks no row{case.scope} as {side!r}; its values are {named(found)}. "
        f"Training rows are marked {named(sorted(TRAIN_WORDS))}, validation rows {named(sorted(VAL_WORDS))}.",
        columns=[column],
        values=found[:MOST_EXAMPLES],
        overridable=not case.whole,
    )


def _classes(case: Case, train: pl.Series, val: pl.Series) -> Iterator[PreflightFinding]:
    column = str(case.plan.split_column)
    trained, validated = (set(case.classes.filter(side).to_list()) for side in (train, val))
    if case.whole and len(trained) == 1:
        yield PreflightFinding(
            code=Code.SPLIT_CLASSES,
            severity=Severity.ERROR,
            message=f"The rows that {column!r} marks for training hold only the class {next(iter(trained))!r}.",
            columns=[column, case.plan.target],
        )
    elif case.whole and not trained & validated:
        yield PreflightFinding(
            code=Code.SPLIT_CLASSES,
            severity=Severity.ERROR,
            message=f"No validation row is of a class that the training rows of {column!r} hold.",
            columns=[column, case.plan.target],
        )
    elif case.whole and trained != validated:
        unseen, unmeasured = sorted(validated - trained), sorted(trained - validated)
        parts = [
            f"validation rows of {named(unseen)} are left out, since no training row is of them"
            if unseen
            else "",
            f"{named(unmeasured)} is trained on and not validated" if unmeasured else "",
        ]
        yield PreflightFinding(
            code=Code.SPLIT_CLASSES,
            severity=Severity.WARNING,
            message=f"The sides of {column!r} hold different classes: {'; '.join(filter(None, parts))}.",
            columns=[column, case.plan.target],
            rows=case.examples(val & case.classes.is_in(unseen)),
            values=[*unseen, *unmeasured][:MOST_EXAMPLES],
        )


def _copies(case: Case, train: pl.Series, val: pl.Series) -> Iterator[PreflightFinding]:
    groups = copy_groups(case.features)
    if groups is None:
        return
    known = val & groups.is_in(groups.filter(train).unique().implode())
    copies, rows = int(known.sum()), int(val.sum())
    share = copies / rows
    if not copies:
        return
    stops = share >= COPIES_TO_STOP
    yield PreflightFinding(
        code=Code.DUPLICATES_ACROSS_SPLIT,
        severity=Severity.ERROR if stops else Severity.WARNING,
        message=f"{copies:,} of {rows:,} validation rows{case.scope} ({percent(share)}) repeat all features of a training row, "
        f"so their figures show memory, not skill. Mark copies for one side of {case.plan.split_column!r}.",
        columns=[str(case.plan.split_column)],
        rows=case.examples(known),
        overridable=stops,
    )
