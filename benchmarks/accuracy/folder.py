"""A data folder (metadata.csv, schema.json, images/): its rows, its target, its features and their types."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.job import MODALITY_OF
from contracts.schema import ColumnType
from tabular.cleaning import clean_text
from tabular.dialect import detect_dialect
from tabular.errors import Unreadable
from tabular.parse import is_missing
from tabular.profile import profile_table
from tabular.reader import read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    import polars as pl

TABLE, SCHEMA, IMAGES = "metadata.csv", "schema.json", "images"
# What the words of a folder's schema mean, tried from the top; a column with other words is detected
WORDS = (
    (r"images?\b", ColumnType.IMAGE),
    (r"(id/text|text/id|text|string|free text)\b", ColumnType.TEXT),
    (r"(id|identifier|key)\b", ColumnType.IDENTIFIER),
    (r"(numeric|numerical|number|integer|int|float|count)\b", ColumnType.NUMERIC),
    (r"(categorical|category|ordinal|nominal)\b", ColumnType.CATEGORICAL),
    (r"(boolean|bool|binary|flag)\b", ColumnType.BOOLEAN),
    (r"(date|datetime|time|timestamp)\b", ColumnType.DATETIME),
    (r"constant\b", ColumnType.CONSTANT),
)
# A note that begins with columns' names and goes on like this asks to leave them out
_ASKS = re.compile(
    r"\s*($|\(|[:;,.-]|.*(leak|leave out|target|label|known only|only known|identif))", re.IGNORECASE
)


class FolderError(ValueError):
    """The folder cannot be used as it is; the message says what to change."""


@dataclass(frozen=True)
class DataFolder:
    """One data set, read."""

    name: str
    path: Path
    rows: pl.DataFrame  # raw strings; only rows with a target
    target: str
    types: dict[str, ColumnType]  # of the features, in the table's order
    left_out: dict[str, str]  # column: why
    cautions: list[str]  # notes that name a feature which was kept

    @property
    def images(self) -> Path | None:
        """The folder of images, if any feature is an image."""
        there = ColumnType.IMAGE in self.types.values()
        return self.path / IMAGES if there else None


def read_folder(
    path: Path,
    target: str | None = None,
    leave_out: Collection[str] = (),
    keep: Collection[str] = (),
    *,
    detect: bool = False,
) -> DataFolder:
    """Read a data folder.

    Args:
        path: The folder.
        target: Column to predict instead of the one that schema.json names.
        leave_out: Further columns to leave out.
        keep: Columns to use although the notes or their type speak against it.
        detect: Detect the types rather than take them from schema.json.

    Raises:
        FolderError: Something is absent, contradictory or unreadable.
    """
    if not (path / TABLE).is_file():
        raise FolderError(
            f"{path} has no {TABLE}; a data folder holds {TABLE}, {SCHEMA} and perhaps {IMAGES}/"
        )
    schema = _schema(path / SCHEMA)
    try:
        rows = read_table(path / TABLE, detect_dialect(path / TABLE))
    except (Unreadable, OSError) as error:
        raise FolderError(f"{path / TABLE} cannot be read: {error}") from error
    target = target or schema.get("target")
    if target is None:
        raise FolderError(f'{path / SCHEMA} names no "target"; give --target')
    for name in [target, *leave_out, *keep]:
        if name not in rows.columns:
            raise FolderError(
                f"{path / TABLE} has no column {name!r}; it has {', '.join(map(repr, rows.columns))}"
            )
    rows = rows.with_columns(clean_text(rows[target]))
    rows = rows.filter(~is_missing(rows[target]))
    types = _types(path, rows.columns, {} if detect else schema.get("types", {}))
    notes = schema.get("leakage_notes", [])
    asked = _asked_out(notes, rows.columns)
    left_out = dict.fromkeys(leave_out, "asked for") | {
        name: why
        for name in rows.columns
        if name not in {target, *keep, *leave_out} and (why := _against(rows[name], types[name], asked))
    }
    features = {name: _usable(types[name]) for name in rows.columns if name not in {target, *left_out}}
    if not features:
        raise FolderError(f"{path / TABLE}: no column is left to learn from; use --keep")
    if ColumnType.IMAGE in features.values() and not (path / IMAGES).is_dir():
        raise FolderError(f"{path} has image columns but no folder {IMAGES}/; use --leave-out")
    cautions = [note for note in notes if any(_mentions(note, name) for name in features)]
    return DataFolder(path.resolve().name, path.resolve(), rows, target, features, left_out, cautions)


def named_first(note: str, columns: Collection[str]) -> tuple[list[str], str]:
    """Give the columns a note begins with ("a, b/c (why)": a, b, c) and what it says after them."""
    longest = "|".join(re.escape(name) for name in sorted(columns, key=len, reverse=True))
    name = re.compile(rf"(?:and )?[`'\"]?({longest})[`'\"]?(?![\w-])")
    found = []
    while match := name.match(note):
        found.append(match[1])
        rest = note[match.end() :]
        note = re.sub(r"^\s*(,|/|;|&|(?=and ))\s*", "", rest)
        if note == rest:
            break
    return found, note


def _schema(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FolderError(f"{path} is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise FolderError(f"{path} holds no JSON object")
    for name, kind in (("target", str), ("types", dict), ("leakage_notes", list)):
        if not isinstance(schema.get(name, kind()), kind):
            raise FolderError(f"{path}: {name!r} must be a {kind.__name__}")
    return schema


def _types(path: Path, columns: list[str], words: Mapping[str, str]) -> dict[str, ColumnType]:
    types = {name: _meaning(words[name]) for name in columns if name in words}
    types = {name: kind for name, kind in types.items() if kind is not None}
    if len(types) < len(columns):
        files = [file.relative_to(path / IMAGES).as_posix() for file in (path / IMAGES).rglob("*")]
        detected = profile_table(path / TABLE, files=files)
        types |= {name: detected.column(name).type for name in columns if name not in types}
    return types


def _meaning(words: str) -> ColumnType | None:
    return next((kind for pattern, kind in WORDS if re.match(pattern, words, re.IGNORECASE)), None)


def _asked_out(notes: list[str], columns: Collection[str]) -> dict[str, str]:
    """Give the columns that notes ask to leave out, each with the note."""
    asked = {}
    for note in notes:
        names, rest = named_first(note, columns)
        if _ASKS.match(rest):
            asked.update(dict.fromkeys(names, note))
    return asked


def _against(values: pl.Series, kind: ColumnType, asked: Mapping[str, str]) -> str | None:
    """Say why a column should not be a feature, if so. An image's path never is one, so notes do not touch images."""
    if kind is ColumnType.IMAGE:
        return None
    if kind is ColumnType.CONSTANT:
        return "constant"
    if kind is ColumnType.IDENTIFIER and values.is_unique().all():
        return asked.get(values.name, "an id of its own in every row")
    return asked.get(values.name)


def _usable(kind: ColumnType) -> ColumnType:
    """An id that rows share tells of groups, and its letters and digits are read as text."""
    return kind if kind in MODALITY_OF else ColumnType.TEXT


def _mentions(note: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", note) is not None
