"""Suggests what each column is for: target candidates with confidence, features, and what to leave out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.schema import ColumnType, Role, TargetCandidate
from tabular.rulebook import name_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabular.evidence import Evidence
    from tabular.rulebook import Verdict

MOST_CLASSES = 200
EASY_CLASSES = 20
ROWS_A_CLASS = 5
MOSTLY_MISSING = 0.95
CONFIDENT = 0.45
MOST_CANDIDATES = 10
# Words that data sets commonly use for what is to be predicted.
TARGET_NAMES = {
    "target", "label", "labels", "class", "y", "outcome", "response", "result", "category", "diagnosis",
    "churn", "fraud", "default", "sentiment", "species", "classification", "status", "gt",
}  # fmt: skip


@dataclass(frozen=True)
class Suggestion:
    """A role and why."""

    role: Role
    why: str


def rank_targets(columns: Sequence[tuple[Evidence, Verdict]]) -> list[TargetCandidate]:
    """Rank the columns that could be predicted by a classifier, the likeliest first.

    Evidence: few classes, balanced enough to learn, few rows without a value; the name and the last place are weak
    hints, as is being written as 0 and 1 (an outcome that was encoded).
    """
    candidates = []
    last = max((facts.position for facts, _ in columns), default=0)
    for facts, verdict in columns:
        if verdict.type not in {ColumnType.CATEGORICAL, ColumnType.BOOLEAN} or not facts.exact:
            continue
        candidate = _candidate(facts, verdict, last)
        if candidate is not None:
            candidates.append(candidate)
    return sorted(candidates, key=lambda candidate: -candidate.confidence)[:MOST_CANDIDATES]


def _candidate(facts: Evidence, verdict: Verdict, last: int) -> TargetCandidate | None:
    classes = facts.distinct
    if not 2 <= classes <= MOST_CLASSES or facts.present < ROWS_A_CLASS * classes:  # noqa: PLR2004
        return None
    shares = [rows / facts.present for rows in facts.strings.values()]
    balance = -sum(share * math.log(share) for share in shares) / math.log(classes)
    few = 1.0 if classes <= EASY_CLASSES else EASY_CLASSES / classes
    missing = facts.missing / max(1, facts.rows)
    score = 0.15 + 0.2 * balance + 0.15 * few - 0.4 * missing
    hints = []
    if name_words(facts.name) & TARGET_NAMES:
        score += 0.3
        hints.append("its name is one that targets often have")
    if facts.position == last:
        score += 0.12
        hints.append("it is the last column")
    if verdict.rule in {"zero-one", "even-integer-levels"}:
        score += 0.15 if verdict.rule == "zero-one" else 0.1
        hints.append("its classes are numbered")
    why = f"{classes} classes, the most frequent with {100 * max(shares):.3g} % of the rows"
    return TargetCandidate(
        column=facts.name,
        confidence=round(min(0.99, max(0.01, score)), 3),
        why="; ".join([why, *hints]),
        classes=classes,
    )


def suggest_role(facts: Evidence, verdict: Verdict, targets: Sequence[TargetCandidate]) -> Suggestion:
    """Suggest the role of one column."""
    if verdict.type is ColumnType.CONSTANT:
        return Suggestion(Role.LEAVE_OUT, "It holds no or only one value, so nothing can be learned from it.")
    if verdict.type is ColumnType.IDENTIFIER:
        return Suggestion(Role.LEAVE_OUT, "It names rows; a model would learn them by heart.")
    if facts.missing >= MOSTLY_MISSING * facts.rows:
        return Suggestion(
            Role.LEAVE_OUT, f"{100 * facts.missing / facts.rows:.3g} % of its rows have no value."
        )
    if targets and targets[0].column == facts.name and targets[0].confidence >= CONFIDENT:
        return Suggestion(Role.TARGET, targets[0].why)
    return Suggestion(Role.FEATURE, "")
