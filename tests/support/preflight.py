"""Cases for the checks before a training, from columns of strings."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tabular.preflight.case import Case, Plan, make_case
from tabular.preflight.examine import examine
from tabular.preflight.images import Decoded
from tabular.profile import profile_table
from tabular.sample import read_sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from contracts.preflight import Preflight
    from contracts.schema import ColumnType


def case_of(
    folder: Path,
    columns: dict[str, Sequence[object]],
    *,
    types: dict[str, ColumnType] | None = None,
    files: Sequence[str] = (),
    most_rows: int = 100_000,
    most_bytes: int = 1 << 20,
    **plan: object,
) -> Case:
    """Make a case of a table whose last column is the target, and the others features but for a split column."""
    *others, target = columns
    out = io.StringIO()
    csv.writer(out).writerows([list(columns), *zip(*columns.values(), strict=True)])
    raw = out.getvalue().encode()
    path = folder / "table.csv"
    path.write_bytes(raw)
    schema = profile_table(path, files=files)
    features = {
        column.name: (types or {}).get(column.name, column.type)
        for column in schema.columns
        if column.name in others and column.name != plan.get("split_column")
    }
    made = Plan(target, features, **plan)  # type: ignore[arg-type]
    sample = read_sample(
        lambda start, length: raw[start : start + length],
        len(raw),
        schema.dialect,
        made.columns,
        most_rows=most_rows,
        most_bytes=most_bytes,
    )
    return make_case(made, schema, sample)


def examined(case: Case, decoded: Decoded | None = None) -> Preflight:
    """Run every check, with all the time there is."""
    return examine(case, decoded or Decoded(), lambda: False)
