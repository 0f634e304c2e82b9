"""A job's data, ready for any model: typed features, class numbers, and the split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tabular.cleaning import clean_text, present
from tabular.copies import copy_groups
from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.parse import is_missing
from tabular.profile import profile_table
from tabular.reader import read_table
from trainer.cleaning import clean
from trainer.columns import choose_columns
from trainer.errors import DataError
from trainer.features.descriptors import ImageDescriptors
from trainer.split import Split, column_split, stratified_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contracts.job import JobSpec
    from contracts.schema import DatasetSchema, Dialect
    from trainer.columns import Column
    from trainer.inputs import ImageFolder, Inputs

MAX_CLASSES = 1000  # as many as a report can carry


@dataclass(frozen=True)
class Data:
    """What a model trains on. Row numbers in the split count the rows of ``frame``."""

    columns: list[Column]
    frame: pl.DataFrame
    images: ImageFolder | None
    labels: list[str]
    target: NDArray[np.int64]
    split: Split
    table_rows: NDArray[np.int64]
    notes: list[str]

    @cached_property
    def descriptors(self) -> ImageDescriptors:
        """Descriptors of the images, which models share that are trained one after the other."""
        return ImageDescriptors(self.images)

    @property
    def majority_rate(self) -> float:
        """Share of the validation rows that are of the most frequent training class: what a constant answer scores."""
        frequent = np.bincount(self.target[self.split.train]).argmax()
        return float((self.target[self.split.val] == frequent).mean())


def prepare(spec: JobSpec, inputs: Inputs) -> Data:
    """Read the table, choose and clean its features, number the classes, split.

    Args:
        spec: Names target and features, and says how to split.
        inputs: The local files.

    Raises:
        DataError: They cannot be trained on.
    """
    schema, frame = _read(inputs, spec.dialect)
    columns, notes = choose_columns(spec, schema)
    tokens = schema.column(spec.target_col).missing_tokens
    target = clean_text(present(frame[spec.target_col], tokens)).replace("", None)
    rows = np.flatnonzero(target.is_not_null().to_numpy())
    if len(rows) < len(frame):
        notes.append(f"{len(frame) - len(rows)} rows without a value in {spec.target_col!r} are left out")
    frame, target = frame[rows], target.gather(rows)
    labels = sort_labels(target.unique().to_list())
    _check_classes(spec.target_col, labels, len(rows))
    codes = target.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
    columns, left_out = _without_blank_images(frame, columns)
    notes += left_out
    features = clean(frame, columns, inputs.images)
    copies = copy_groups(features)
    groups = None if copies is None else copies.to_numpy().astype(np.int64)
    if spec.split_column:
        split = column_split(frame[spec.split_column].to_list(), spec.split_column)
        labels, codes, split = _only_trained_classes(labels, codes, split)
        notes += _copies_across(split, groups)
    else:
        split = stratified_split(codes, spec.validation_split, spec.seed, groups)
    notes += split.notes + _missing_images(features, columns, inputs.images)
    return Data(columns, features, inputs.images, labels, codes, split, rows, notes)


def sort_labels(labels: Sequence[str]) -> list[str]:
    """Sort class names as a person would: whole numbers by value, else by their text."""
    if all(label.isascii() and label.isdigit() for label in labels):
        # by the number of digits first: int() refuses thousands of them
        return sorted(labels, key=lambda label: (len(label.lstrip("0")), label.lstrip("0"), label))
    return sorted(labels)


def _read(inputs: Inputs, dialect: Dialect | None) -> tuple[DatasetSchema, pl.DataFrame]:
    try:
        dialect = dialect or detect_dialect(inputs.table)
        files = inputs.images.paths if inputs.images else []
        schema = profile_table(inputs.table, dialect=dialect, files=files)
        frame = read_table(inputs.table, dialect)
    except Unreadable as error:
        raise DataError(f"the table cannot be read: {error}") from error
    return schema, frame


def _check_classes(column: str, labels: list[str], rows: int) -> None:
    if not labels:
        raise DataError(f"TARGET_COL {column!r} holds no values")
    if len(labels) == 1:
        raise DataError(
            f"TARGET_COL {column!r} holds only one class, {labels[0]!r}: there is nothing to tell apart"
        )
    if len(labels) > MAX_CLASSES or len(labels) == rows:
        raise DataError(
            f"TARGET_COL {column!r} holds {len(labels)} different values in {rows} rows, at most {MAX_CLASSES} are "
            "allowed and they must repeat; is it a number or an identifier rather than a class?"
        )


def _only_trained_classes(
    labels: list[str], codes: NDArray[np.int64], split: Split
) -> tuple[list[str], NDArray[np.int64], Split]:
    """Keep the classes that the training rows show; a model cannot name the others."""
    trained = np.unique(codes[split.train])
    if len(trained) == 1:
        raise DataError(f"the training rows hold only one class, {labels[trained[0]]!r}")
    known = np.isin(codes[split.val], trained)
    if not known.any():
        raise DataError("no validation row is of a class that the training rows hold")
    notes = list(split.notes)
    if not known.all():
        notes.append(f"{int((~known).sum())} validation rows of classes absent from training are left out")
    renumbered = np.full(len(labels), -1)
    renumbered[trained] = np.arange(len(trained))
    kept = Split(split.train, split.val[known], notes)
    return [labels[number] for number in trained], renumbered[codes], kept


def _copies_across(split: Split, groups: NDArray[np.int64] | None) -> list[str]:
    known = 0 if groups is None else int(np.isin(groups[split.val], groups[split.train]).sum())
    return [f"{known} of {len(split.val)} validation rows are copies of training rows"] if known else []


def _without_blank_images(frame: pl.DataFrame, columns: list[Column]) -> tuple[list[Column], list[str]]:
    """Leave out image columns without a value in any row, with notes; of other types models bear such columns."""
    blank = [
        column
        for column in columns
        if column.modality == "image" and is_missing(frame[column.name], column.missing_tokens).all()
    ]
    if len(blank) == len(columns):
        names = ", ".join(repr(column.name) for column in blank)
        raise DataError(f"no column is left to learn from; blank in every row: {names}")
    notes = [f"image column {column.name!r} is left out: it is blank in every row" for column in blank]
    return [column for column in columns if column not in blank], notes


def _missing_images(frame: pl.DataFrame, columns: list[Column], images: ImageFolder | None) -> list[str]:
    notes = []
    for column in columns:
        if column.modality == "image":
            if images is None:
                raise DataError(f"column {column.name!r} names images but the job has no train_folder")
            missing = frame[column.name].null_count()
            if missing == len(frame):
                raise DataError(f"no value of image column {column.name!r} matches a file of train_folder")
            if missing:
                notes.append(f"{missing} rows have no image in {column.name!r}")
    return notes
