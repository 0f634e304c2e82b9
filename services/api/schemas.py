"""A data set's schema as its owner sees it: what was detected, with their overrides on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.schema import ColumnProfile, ColumnType, DatasetSchema, Role
from runtime.errors import Invalid

if TYPE_CHECKING:
    from services.api.models import Dataset

# More classes than this is not a classification anyone can read a confusion matrix of
MAX_CLASSES = 1000


def detected(dataset: Dataset) -> DatasetSchema:
    """Give what was detected."""
    return DatasetSchema.model_validate(dataset.detected)


def effective(dataset: Dataset) -> list[ColumnProfile]:
    """Give every column with the owner's overrides applied."""
    columns = []
    for column in detected(dataset).columns:
        override = dataset.overrides.get(column.name, {})
        columns.append(column.model_copy(update={key: _ENUMS[key](value) for key, value in override.items()}))
    return columns


_ENUMS: dict[str, Any] = {"type": ColumnType, "role": Role}


def target_of(dataset: Dataset) -> str | None:
    """Give the column to predict: the owner's choice, else the best candidate that was found."""
    if dataset.target:
        return dataset.target
    candidates = detected(dataset).targets
    return candidates[0].column if candidates else None


def change(dataset: Dataset, columns: dict[str, dict[str, str]], target: str | None) -> None:
    """Override types and roles, and choose the target.

    Args:
        dataset: Changed in place.
        columns: For a column's name, its new "type" and "role", either or both.
        target: The column to predict; None leaves the choice as it is.

    Raises:
        Invalid: A column is unknown, or the target cannot be one; `errors` names each.
    """
    known = {column.name: column for column in detected(dataset).columns}
    errors = {name: [unknown_column(name, list(known))] for name in columns if name not in known}
    overrides = {**dataset.overrides}
    for name, change_ in columns.items():
        overrides[name] = {**overrides.get(name, {}), **change_}
    if target is not None:
        if target not in known:
            errors["target"] = [unknown_column(target, list(known))]
        elif problem := why_no_target(known[target]):
            errors["target"] = [problem]
    if errors:
        raise Invalid("; ".join(f"{name}: {texts[0]}" for name, texts in errors.items()), errors)
    dataset.overrides = overrides
    dataset.target = target or dataset.target


def unknown_column(name: str, known: list[str]) -> str:
    """Say that a column does not exist, and which do."""
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")  # noqa: PLR2004 - a readable line
    return f"there is no column {name!r}; the columns are {shown}"


def why_no_target(column: ColumnProfile) -> str | None:
    """Say why a column cannot be what a classifier predicts, or None where it can."""
    if column.type is ColumnType.IMAGE:
        return f"{column.name!r} names images; a target needs a class for each row"
    if column.distinct < 2:  # noqa: PLR2004 - a classifier needs two classes
        return f"{column.name!r} has {column.distinct} distinct value(s); a target needs at least two classes"
    if column.distinct > MAX_CLASSES or column.distinct > max(2, (column.rows - column.missing) // 2):
        return (
            f"{column.name!r} has {column.distinct} distinct values in {column.rows - column.missing} rows; "
            f"a target needs several rows for each class and at most {MAX_CLASSES} classes"
        )
    return None
