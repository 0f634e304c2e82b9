"""Predict the rows of a new table with a job's artifacts: ``python -m trainer.predict --artifacts DIR --table new.csv``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer import objects
from trainer.errors import EXIT_DATA, EXIT_OK, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from trainer.columns import Column


def main(arguments: list[str] | None = None) -> int:
    """Predict, and give the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.predict", description=__doc__)
    parser.add_argument("--artifacts", required=True, help="folder or s3:// or file:// URI that a job wrote")
    parser.add_argument(
        "--table", required=True, type=Path, help="CSV with the columns the model was trained on"
    )
    parser.add_argument("--images", type=Path, help="folder of the images that the table names")
    parser.add_argument(
        "--out", required=True, type=Path, help="CSV to write: row, prediction, probabilities"
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            artifacts = _artifacts(options.artifacts, Path(folder))
            predictions, notes = predict_table(artifacts, options.table, options.images)
    except DataError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_DATA
    for note in notes:
        sys.stderr.write(f"note: {note}\n")
    predictions.write_csv(options.out)
    return EXIT_OK


def predict_table(artifacts: Path, table: Path, images: Path | None) -> tuple[pl.DataFrame, list[str]]:
    """Predict every row of a table.

    Args:
        artifacts: A job's artifacts in a local folder.
        table: The new table.
        images: Folder of its images.

    Returns:
        One row of predictions for each row (see ``trainer.artifacts.prediction_table``), and what was assumed.

    Raises:
        DataError: Something cannot be read.
    """
    # imported here, so that --help and wrong arguments answer at once
    import numpy as np  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    from tabular.dialect import detect_dialect  # noqa: PLC0415
    from tabular.errors import Unreadable  # noqa: PLC0415
    from tabular.reader import read_table  # noqa: PLC0415
    from trainer.artifacts import ID2LABEL, PREPROCESSING, WEIGHTS, prediction_table  # noqa: PLC0415
    from trainer.cleaning import clean  # noqa: PLC0415
    from trainer.columns import Column  # noqa: PLC0415
    from trainer.inputs import open_images  # noqa: PLC0415

    saved = _read_json(artifacts / PREPROCESSING)
    columns = [Column.model_validate(column) for column in saved["columns"]]
    try:
        raw = read_table(table, detect_dialect(table))
    except (Unreadable, OSError) as error:
        raise DataError(f"{table} cannot be read: {error}") from error
    raw, notes = _match_columns(raw, columns)
    folder = open_images(images) if images else None
    if folder is None and any(column.modality == "image" for column in columns):
        notes.append("no --images given: every image counts as missing")
    frame = clean(raw, columns, folder)
    module = importlib.import_module(f"trainer.models.{saved['model']}.predict")
    probabilities = module.predict(saved["fitted"], load_file(artifacts / WEIGHTS), frame, folder)
    labels = list(_read_json(artifacts / ID2LABEL).values())
    return prediction_table(np.arange(len(frame)), probabilities, labels), notes


def _artifacts(place: str, folder: Path) -> Path:
    if place.startswith(("s3://", "file:")):
        return objects.fetch_folder(place, folder, lambda _: None)
    return Path(place)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; is --artifacts a job's folder?") from None
    return value


def _match_columns(raw: pl.DataFrame, columns: Sequence[Column]) -> tuple[pl.DataFrame, list[str]]:
    """Find each column by its name, else by its name in any case and without blanks around it, else count it as missing."""
    import polars as pl  # noqa: PLC0415 - as above

    alike = {name.strip().casefold(): name for name in reversed(raw.columns)}
    found, notes = [], []
    for column in columns:
        name = column.name if column.name in raw.columns else alike.get(column.name.strip().casefold())
        if name is None:
            notes.append(f"column {column.name!r} is not in the table: its values count as missing")
            found.append(pl.lit(None, dtype=pl.String).alias(column.name))
        else:
            if name != column.name:
                notes.append(f"column {name!r} is read as {column.name!r}")
            found.append(pl.col(name).alias(column.name))
    return raw.with_columns(found).select([column.name for column in columns]), notes


if __name__ == "__main__":
    sys.exit(main())
