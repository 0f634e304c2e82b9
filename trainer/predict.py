"""Predict the rows of a new table with a job's artifacts: ``python -m trainer.predict --artifacts DIR --table new.csv``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.job import InvalidSpec
from trainer.errors import (
    EXIT_DATA,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_SPEC,
    EXIT_STORE,
    DataError,
    ModelError,
    StoreError,
)
from trainer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from contracts.schema import Dialect
    from trainer.saved import SavedModel

EXITS = {DataError: EXIT_DATA, InvalidSpec: EXIT_SPEC, ModelError: EXIT_MODEL, StoreError: EXIT_STORE}
BATCH_ROWS = 4096  # in memory at a time; setting the model up anew for each was measured to take 0.2 of 5 s


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
    parser.add_argument(
        "--top-k", type=_positive, metavar="K", help="name the K most probable classes instead of giving all"
    )
    parser.add_argument(
        "--contributions",
        action="store_true",
        help="say for each modality what it added to the log-probability of the predicted class",
    )
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            from trainer.saved import fetch_artifacts  # noqa: PLC0415 - as in predict_batches

            batches = predict_batches(
                fetch_artifacts(options.artifacts, Path(folder)),
                options.table,
                options.images,
                top_k=options.top_k,
                contributions=options.contributions,
                note=lambda text: sys.stderr.write(f"note: {text}\n"),
                settings=Settings.from_env(os.environ),
            )
            write_batches(batches, options.out)
    except (DataError, InvalidSpec, ModelError, StoreError) as error:
        if isinstance(error, ModelError):
            traceback.print_exception(error)
        sys.stderr.write(f"{error}\n")
        return EXITS[type(error)]
    return EXIT_OK


def predict_table(
    artifacts: Path,
    table: Path,
    images: Path | None = None,
    *,
    top_k: int | None = None,
    contributions: bool = False,
) -> tuple[pl.DataFrame, list[str]]:
    """Predict every row of a table that fits into memory; see ``predict_batches``.

    Returns:
        One row of predictions for each row, and what was assumed.
    """
    import polars as pl  # noqa: PLC0415 - as below

    notes: list[str] = []
    batches = predict_batches(
        artifacts, table, images, top_k=top_k, contributions=contributions, note=notes.append
    )
    return pl.concat(batches), notes


def predict_batches(
    artifacts: Path,
    table: Path,
    images: Path | None = None,
    *,
    top_k: int | None = None,
    contributions: bool = False,
    note: Callable[[str], object] = lambda _: None,
    settings: Settings | None = None,
) -> Iterator[pl.DataFrame]:
    """Predict a table of any size, a bounded number of rows at a time.

    Args:
        artifacts: A job's artifacts in a local folder.
        table: The new table.
        images: Folder of its images.
        top_k: How many classes to name for each row; None gives every class's probability.
        contributions: Whether to add a column ``contribution(modality)`` for each modality: the natural logarithm of the
            predicted class's probability, less what it is where the modality's values are missing. Above 0 it spoke for
            the prediction, below 0 against it.
        note: Told what was assumed: about columns before the first frame, about values after the last.
        settings: Say where further models are; None: there are none but the trainer's own.

    Returns:
        Frames of predictions (see ``trainer.tables.prediction_table``), at least one, which may be empty.

    Raises:
        DataError: Something cannot be read, or the table has none of the model's columns.
        ModelError: The model is broken.
    """
    # imported here, so that --help and wrong arguments answer at once
    from trainer.saved import load_model  # noqa: PLC0415

    if images is not None and not images.is_dir():
        raise DataError(f"{images} is not a folder of images")
    model = load_model(artifacts, settings or Settings())
    yield from predict_rows(model, table, images, top_k=top_k, contributions=contributions, note=note)


def predict_rows(
    model: SavedModel,
    table: Path,
    images: Path | None,
    *,
    top_k: int | None,
    contributions: bool,
    note: Callable[[str], object],
    dialect: Dialect | None = None,
) -> Iterator[pl.DataFrame]:
    """Predict a table by a model that is loaded; all but ``dialect``, how the CSV is written if that is known, is as in ``predict_batches``."""
    import numpy as np  # noqa: PLC0415 - as there

    from trainer.cleaning import clean  # noqa: PLC0415
    from trainer.inputs import open_images  # noqa: PLC0415
    from trainer.newtable import NewTable  # noqa: PLC0415

    new = NewTable(table, model.columns, model.target, dialect)
    folder = open_images(images, model.image_limits) if images else None
    for text in new.notes:
        note(text)
    if folder is None and "image" in model.modalities:
        note("no folder of images is given: every image counts as missing")
        new.expect_no_images()
    done = 0
    for raw in new.batches(BATCH_ROWS):
        frame = clean(raw, model.columns, folder)
        new.count_misfits(raw, frame)
        rows = np.arange(done, done + len(frame))
        yield model.table(rows, frame, folder, top_k=top_k, contributions=contributions)
        done += len(frame)
    if not done:
        note("the table has no rows")
    for text in new.closing_notes():
        note(text)
    if folder and folder.broken:
        path, why = min(folder.broken.items())
        note(f"{len(folder.broken)} images cannot be decoded and count as missing, e.g. {path!r}: {why}")


def write_batches(batches: Iterator[pl.DataFrame], out: Path) -> int:
    """Write frame by frame beside the file, put it in its place when it is whole, and give the number of rows.

    Raises:
        DataError: It cannot be written.
    """
    from trainer.tables import write_csv  # noqa: PLC0415 - as above

    part = out.with_name(f"{out.name}.part")
    rows = 0
    try:
        with part.open("wb") as file:
            for number, frame in enumerate(batches):
                write_csv(frame, file, header=number == 0)
                rows += len(frame)
        part.replace(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
