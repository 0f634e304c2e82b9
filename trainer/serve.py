"""Keeps one job's model loaded and predicts tables with it: ``python -m trainer.serve --artifacts URI``.

A task is a line on standard input, its answer a line on standard output (``contracts.prediction``). What a model prints
goes to standard error. The process ends with its input, when there was none for long, and after an error that is not about
a task's data.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.job import InvalidSpec
from contracts.prediction import PredictionAnswer, PredictionTask
from trainer import log as logs
from trainer import objects
from trainer.errors import EXIT_MODEL, EXIT_OK, DataError, ModelError, StoreError
from trainer.inputs import fetch_images
from trainer.predict import EXITS, predict_rows, write_batches
from trainer.settings import Settings

if TYPE_CHECKING:
    from typing import IO

    from trainer.saved import SavedModel

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Answer tasks until there are no more, and give the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.serve", description=__doc__)
    parser.add_argument("--artifacts", required=True, help="folder or s3:// or file:// URI that a job wrote")
    parser.add_argument(
        "--idle-seconds", type=int, metavar="S", help="end after so long without a task; by default never"
    )
    options = parser.parse_args(arguments)
    answers = _take_standard_output()
    try:
        settings = Settings.from_env(os.environ)
        logs.configure({}, level=settings.log_level, form=settings.log_format)
        with tempfile.TemporaryDirectory() as folder:
            from trainer.saved import fetch_artifacts, load_model  # noqa: PLC0415 - as in trainer.predict

            model = load_model(fetch_artifacts(options.artifacts, Path(folder)), settings)
        _say(answers, PredictionAnswer())
        while line := _next_line(options.idle_seconds):
            _say(answers, answer(model, PredictionTask.model_validate_json(line)))
    except (DataError, InvalidSpec, StoreError) as error:
        _say(answers, PredictionAnswer(error=str(error)))
        return EXITS[type(error)]
    except Exception as error:
        log.exception("the model failed")
        text = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
        _say(answers, PredictionAnswer(error=f"The model failed: {text}"))
        return EXIT_MODEL
    return EXIT_OK


def answer(model: SavedModel, task: PredictionTask) -> PredictionAnswer:
    """Do one task; what is wrong with its data is the answer, and anything else an exception."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "table.csv"
        try:
            table = objects.fetch(task.table, folder)
            images = None
            if task.images is not None:
                images = fetch_images(task.images, folder / "images", lambda _: None)
            out = folder / "predictions.csv"
            batches = predict_rows(
                model,
                table,
                images,
                top_k=task.top_k,
                contributions=task.contributions,
                note=notes.append,
                dialect=task.dialect,
            )
            rows = write_batches(batches, out)
            objects.put(out, task.out)
            return PredictionAnswer(rows=rows, size=out.stat().st_size, notes=notes)
        except (DataError, StoreError) as error:
            # where it lies on this machine says nothing to the person who asked
            return PredictionAnswer(error=str(error).replace(str(table), "the table"))


def _next_line(seconds: int | None) -> bytes:
    """Give the next task, or nothing where there is none any more; one comes after the answer to another, never two at once."""
    ready, _, _ = select.select([0], [], [], seconds)
    return sys.stdin.buffer.readline() if ready else b""


def _take_standard_output() -> IO[str]:
    """Keep standard output for answers; whatever else is written to it, by a library's C code too, goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: IO[str], said: PredictionAnswer) -> None:
    answers.write(said.model_dump_json() + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
