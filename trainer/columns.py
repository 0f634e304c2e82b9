"""Which columns a job reads, and as what: the spec's word first, then what was detected in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contracts.job import MODALITY_OF
from contracts.schema import ColumnType, NumberFormat, Role
from trainer.errors import DataError

if TYPE_CHECKING:
    from contracts.job import JobSpec
    from contracts.schema import ColumnProfile, DatasetSchema


class Column(BaseModel):
    """A feature, with all that is needed to read it the same way from another table."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: ColumnType
    modality: str
    number_format: NumberFormat | None = None
    datetime_format: str | None = None
    missing_tokens: list[str] = []


def choose_columns(spec: JobSpec, schema: DatasetSchema) -> tuple[list[Column], list[str]]:
    """Choose the features of a job, in the table's order.

    Args:
        spec: FEATURE_COLUMNS names them, else MODALITY_COLUMNS, else every column counts that has a modality,
            save those that detection suggests to leave out and COLUMN_TYPES does not name.
        schema: What was detected in the table.

    Returns:
        The features, and notes for a person.

    Raises:
        DataError: A column that the job names is not in the table, or no feature is left.
    """
    profiles = {column.name: column for column in schema.columns}
    asked = _asked(spec)
    _check_names(spec, asked, profiles)
    columns, notes = [], []
    for profile in schema.columns:
        if profile.name in {spec.target_col, spec.split_column} or (asked and profile.name not in asked):
            continue
        if not asked and profile.name not in spec.column_types and profile.role is Role.LEAVE_OUT:
            notes.append(f"column {profile.name!r} is left out: {profile.role_why or profile.why}")
            continue
        column = _column(spec, profile)
        if column is None:
            notes.append(f"column {profile.name!r} is left out: it is {profile.type.value}")
        else:
            columns.append(column)
    if not columns:
        raise DataError("no column is left to learn from; name some in FEATURE_COLUMNS")
    return columns, notes


def _asked(spec: JobSpec) -> set[str]:
    return set(spec.feature_columns) or {name for names in spec.modality_columns.values() for name in names}


def _check_names(spec: JobSpec, asked: set[str], profiles: dict[str, ColumnProfile]) -> None:
    there = ", ".join(map(repr, profiles))
    if spec.target_col not in profiles:
        raise DataError(
            f"TARGET_COL {spec.target_col!r} is not a column of the table; its columns are {there}"
        )
    if spec.split_column is not None and spec.split_column not in profiles:
        raise DataError(
            f"SPLIT_COLUMN {spec.split_column!r} is not a column of the table; its columns are {there}"
        )
    absent = sorted(asked - profiles.keys())
    if absent:
        names = ", ".join(map(repr, absent))
        raise DataError(f"feature columns {names} are not in the table; its columns are {there}")


def _column(spec: JobSpec, profile: ColumnProfile) -> Column | None:
    kind = spec.column_types.get(profile.name, profile.type)
    modality = next((m for m, names in spec.modality_columns.items() if profile.name in names), None)
    if modality == "image":
        kind = ColumnType.IMAGE
    elif modality == "text":
        kind = ColumnType.TEXT
    elif modality == "tabular" and MODALITY_OF.get(kind) != "tabular":
        kind = ColumnType.CATEGORICAL
    elif kind is ColumnType.IDENTIFIER and profile.name in spec.feature_columns:
        kind = ColumnType.TEXT  # named on purpose, and parts of an identifier can tell something
    if kind not in MODALITY_OF:
        return None
    return Column(
        name=profile.name,
        type=kind,
        modality=MODALITY_OF[kind],
        number_format=profile.number_format,
        datetime_format=profile.datetime_format,
        missing_tokens=profile.missing_tokens,
    )
