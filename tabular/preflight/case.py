"""What the checks look at: the job's plan, and the clean values of some rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from contracts.preflight import MOST_EXAMPLES
from tabular.cleaning import clean_text, present, typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.schema import ColumnProfile, ColumnType, DatasetSchema
    from tabular.sample import Sample


@dataclass(frozen=True)
class Plan:
    """The part of a job that the checks need."""

    target: str
    features: Mapping[str, ColumnType]
    split_column: str | None = None
    validation_split: float = 0.2
    min_rows: int = 20

    @property
    def columns(self) -> list[str]:
        """Every column that is read, each once."""
        return list(dict.fromkeys([self.target, *self.features, *filter(None, [self.split_column])]))


@dataclass(frozen=True)
class Case:
    """Some rows that have a class, and what is known of all.

    Attributes:
        plan: What is to be trained.
        schema: What was detected in the table.
        classes: Clean class of each row, shape (n,).
        features: Clean values, n rows.
        split: Raw values of the split column, shape (n,), or None where there is none.
        numbers: The rows' numbers in the table, from 1 on, or None.
        counts: Rows of each class: of all rows where `exact`, else of those looked at.
        exact: Whether `counts` is of the whole table.
        missing: Rows without a class, of `rows`.
        rows: Rows looked at for `missing`: all where they are known.
        whole: Whether the rows here are all that have a class.
    """

    plan: Plan
    schema: DatasetSchema
    classes: pl.Series
    features: pl.DataFrame
    split: pl.Series | None
    numbers: pl.Series | None
    counts: dict[str, int]
    exact: bool
    missing: int
    rows: int
    whole: bool

    @property
    def scope(self) -> str:
        """What figures are of, to stand behind "rows": nothing where they are of the whole table."""
        return "" if self.whole else " looked at"

    def examples(self, where: pl.Series) -> list[int]:
        """Give the table's numbers of the first rows that are marked."""
        if self.numbers is None:
            return []
        return self.numbers.filter(where).head(MOST_EXAMPLES).to_list()


def make_case(plan: Plan, schema: DatasetSchema, sample: Sample) -> Case:
    """Clean the rows of a sample that holds the plan's columns."""
    profiles = {column.name: column for column in schema.columns}
    classes = _classes(sample.frame[plan.target], profiles[plan.target])
    known = classes.is_not_null()
    frame, classes = sample.frame.filter(known), classes.filter(known)
    features = [_values(frame[name], kind, profiles[name]) for name, kind in plan.features.items()]
    counts, exact = dict(Counter(classes.to_list())), sample.whole
    listed = None if exact else _counts_of_all(schema, profiles[plan.target])
    if listed is not None:
        counts, exact = listed, True
    rows, missing = sample.frame.height, int((~known).sum())
    if schema.complete and not sample.whole:
        rows, missing = schema.rows, profiles[plan.target].missing
    return Case(
        plan=plan,
        schema=schema,
        classes=classes,
        features=pl.DataFrame(features),
        split=frame[plan.split_column] if plan.split_column else None,
        numbers=None if sample.numbers is None else sample.numbers.filter(known),
        counts=counts,
        exact=exact,
        missing=missing,
        rows=rows,
        whole=sample.whole,
    )


def named(names: Iterable[str]) -> str:
    """List names in a sentence, the first few of many."""
    every = [repr(name if len(name) <= 60 else name[:60] + "…") for name in names]  # noqa: PLR2004 - a readable line
    more = f" and {len(every) - MOST_EXAMPLES:,} more" if len(every) > MOST_EXAMPLES else ""
    return ", ".join(every[:MOST_EXAMPLES]) + more


def percent(share: float) -> str:
    """Write a share, 0 to 1."""
    return f"{100 * share:.3g} %"


def _classes(values: pl.Series, profile: ColumnProfile) -> pl.Series:
    return clean_text(present(values, profile.missing_tokens)).replace("", None)


def _values(values: pl.Series, kind: ColumnType, profile: ColumnProfile) -> pl.Series:
    return typed(
        values,
        kind,
        number_format=profile.number_format,
        datetime_format=profile.datetime_format,
        missing_tokens=profile.missing_tokens,
    )


def _counts_of_all(schema: DatasetSchema, profile: ColumnProfile) -> dict[str, int] | None:
    """Give the rows of each class in the whole table, where detection has listed every value."""
    listed = profile.statistics.top_values
    if not schema.complete or len(listed) != profile.distinct:
        return None
    values = pl.Series([entry.value for entry in listed], dtype=pl.String)
    counts: Counter[str] = Counter()
    for name, entry in zip(clean_text(values), listed, strict=True):
        counts[name] += entry.count
    return dict(counts)
