"""Runs every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.preflight import Code, Preflight, PreflightFinding, Severity
from tabular.preflight.duplicates import check_duplicates
from tabular.preflight.images import check_images
from tabular.preflight.leaks import check_leaks
from tabular.preflight.split import check_split_column
from tabular.preflight.target import check_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tabular.preflight.case import Case
    from tabular.preflight.images import Decoded

_ORDER = list(Severity)


def examine(case: Case, decoded: Decoded, out_of_time: Callable[[], bool]) -> Preflight:
    """Say all that is to be said.

    Args:
        case: The rows looked at.
        decoded: What came of decoding some images.
        out_of_time: Asked before each step that may take long; what is left then is left, and a finding says so.
    """
    leaks, left = check_leaks(case, out_of_time)
    findings = [
        *check_target(case),
        *check_split_column(case),
        *check_images(case, decoded),
        *leaks,
        *check_duplicates(case),
        *_sampled(case, decoded, left),
    ]
    rows = case.features.height
    return Preflight(
        rows=rows,
        rows_in_table=case.schema.rows if case.schema.complete else None,
        images=decoded.tried,
        findings=sorted(findings, key=lambda finding: _ORDER.index(finding.severity)),
    )


def _sampled(case: Case, decoded: Decoded, left: int) -> Iterator[PreflightFinding]:
    parts = []
    if not case.whole:
        every = f" of {case.schema.rows:,}" if case.schema.complete else ""
        parts.append(f"{case.classes.len():,}{every} rows, spread over the table")
    if decoded.left:
        parts.append(f"{decoded.tried:,} of {decoded.tried + decoded.left:,} images")
    if left:
        parts.append(
            f"{len(case.plan.features) - left:,} of {len(case.plan.features):,} columns for giving the target away"
        )
    if parts:
        yield PreflightFinding(
            code=Code.SAMPLED,
            severity=Severity.INFO,
            message=f"Only a part was looked at: {'; '.join(parts)}.",
        )
