"""Looks at the classes: are there enough rows of each, and enough classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.preflight import MOST_EXAMPLES, Code, PreflightFinding, Severity
from tabular.preflight.case import named, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tabular.preflight.case import Case

MAX_CLASSES = 1000  # as many as a report can carry
MISSING_TO_TELL = 0.05
MISSING_TO_STOP = 0.5
FEW_ROWS_A_CLASS = 5
FEW_VALIDATION_ROWS = 30
DOMINANT = 0.95
LOPSIDED = 100  # times


def check_target(case: Case) -> Iterator[PreflightFinding]:
    """Check the target alone."""
    target = [case.plan.target]
    if not case.counts:
        yield PreflightFinding(
            code=Code.TARGET_MISSING,
            severity=Severity.ERROR,
            message=f"No row{case.scope} has a value in {target[0]!r}. Choose another target.",
            columns=target,
        )
        return
    yield from _missing(case)
    if len(case.counts) == 1 and case.exact:
        only = next(iter(case.counts))
        yield PreflightFinding(
            code=Code.ONE_CLASS,
            severity=Severity.ERROR,
            message=f"Every row has the class {only!r} in {target[0]!r}: there is nothing to tell apart. Choose another target.",
            columns=target,
            values=[only],
        )
    elif len(case.counts) > MAX_CLASSES or (case.exact and max(case.counts.values()) == 1):
        yield PreflightFinding(
            code=Code.TOO_MANY_CLASSES,
            severity=Severity.ERROR,
            message=f"{target[0]!r} has {len(case.counts):,} different values in {sum(case.counts.values()):,} rows; at most "
            f"{MAX_CLASSES:,} are allowed and they must repeat. Is it a number or an identifier rather than a class?",
            columns=target,
        )
    else:
        yield from _rows(case)
        yield from _rare_classes(case)
        yield from _imbalance(case)


def _missing(case: Case) -> Iterator[PreflightFinding]:
    share = case.missing / case.rows
    if share < MISSING_TO_TELL:
        return
    stops = share >= MISSING_TO_STOP
    yield PreflightFinding(
        code=Code.TARGET_MISSING,
        severity=Severity.ERROR if stops else Severity.WARNING,
        message=f"{case.missing:,} of {case.rows:,} rows ({percent(share)}) have no value in {case.plan.target!r} and are left out. "
        "Is it the right column, or are labels still to be filled in?",
        columns=[case.plan.target],
        overridable=stops,
    )


def _rows(case: Case) -> Iterator[PreflightFinding]:
    rows = sum(case.counts.values())
    if not case.exact:
        return  # rows that are too many to be counted are not too few
    if rows < case.plan.min_rows:
        yield PreflightFinding(
            code=Code.TOO_FEW_ROWS,
            severity=Severity.ERROR,
            message=f"Only {rows:,} rows have a value in {case.plan.target!r}; at least {case.plan.min_rows:,} are wanted. "
            "Add rows: what is learnt from so few is chance.",
            columns=[case.plan.target],
            overridable=True,
        )
        return
    held_out = round(rows * case.plan.validation_split)
    if case.split is None and held_out < FEW_VALIDATION_ROWS:
        yield PreflightFinding(
            code=Code.FEW_VALIDATION_ROWS,
            severity=Severity.WARNING,
            message=f"Only about {held_out:,} of {rows:,} rows validate, so accuracy moves in steps of {percent(1 / max(1, held_out))}. "
            "Take small differences for chance, or add rows.",
        )


def _rare_classes(case: Case) -> Iterator[PreflightFinding]:
    if not case.exact:
        return  # rare among the rows looked at is not rare in the table
    single = sorted(name for name, rows in case.counts.items() if rows == 1)
    few = sorted(
        (name for name, rows in case.counts.items() if 1 < rows < FEW_ROWS_A_CLASS),
        key=case.counts.__getitem__,
    )
    if single:
        yield PreflightFinding(
            code=Code.SINGLE_ROW_CLASSES,
            severity=Severity.WARNING,
            message=f"{len(single):,} of {len(case.counts):,} classes have a single row: {named(single)}. "
            "They are trained on and never validated. Add rows, join them to another class, or leave them out.",
            columns=[case.plan.target],
            rows=case.examples(case.classes.is_in(single)),
            values=single[:MOST_EXAMPLES],
        )
    if few:
        yield PreflightFinding(
            code=Code.RARE_CLASSES,
            severity=Severity.WARNING,
            message=f"{len(few):,} of {len(case.counts):,} classes have 2 to {FEW_ROWS_A_CLASS - 1} rows: {named(few)}. "
            "Their figures will rest on a row or none.",
            columns=[case.plan.target],
            rows=case.examples(case.classes.is_in(few)),
            values=few[:MOST_EXAMPLES],
        )


def _imbalance(case: Case) -> Iterator[PreflightFinding]:
    rows = sum(case.counts.values())
    largest = max(case.counts, key=case.counts.__getitem__)
    told = {name: count for name, count in case.counts.items() if count >= FEW_ROWS_A_CLASS or not case.exact}
    smallest = min(told or case.counts, key=case.counts.__getitem__)
    share = case.counts[largest] / rows
    if share < DOMINANT and case.counts[largest] < LOPSIDED * case.counts[smallest]:
        return
    yield PreflightFinding(
        code=Code.IMBALANCE,
        severity=Severity.WARNING,
        message=f"The largest class {largest!r} has {percent(share)} of the rows{'' if case.exact else case.scope}, the smallest "
        f"{smallest!r} {percent(case.counts[smallest] / rows)}: to answer always {largest!r} scores {percent(share)} accuracy. "
        "Look at macro-F1 and at the rows of each class.",
        columns=[case.plan.target],
        values=[largest, smallest],
    )
