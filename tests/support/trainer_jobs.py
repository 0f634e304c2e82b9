"""Tiny data sets of all modalities, and the environment of a job on them."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import time
from typing import TYPE_CHECKING

from PIL import Image

from contracts.job import JobSpec
from trainer.checkpoint import Checkpoints
from trainer.data import prepare
from trainer.inputs import Inputs, open_images
from trainer.models import catalogue
from trainer.reporter import SilentReporter
from trainer.results import TrainParams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data import Data
    from trainer.reporter import Reporter
    from trainer.results import Artifacts, TrainingReport

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 220)}
WORDS = {"red": "warm fire rose", "green": "leaf grass moss", "blue": "sea sky ice"}


def tiny_dataset(folder: Path, rows: int = 90) -> Path:
    """Write table.csv and images/: three classes that the image, the words and a number each tell apart in part."""
    chance = random.Random(7)
    images = folder / "images"
    images.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["picture", "remark", "weight", "origin", "seen", "label"])
        for number in range(rows):
            label = list(COLOURS)[number % 3]
            name = f"{number:03}.png"
            (images / name).write_bytes(png(COLOURS[label] if chance.random() < 0.9 else (128, 128, 128)))
            remark = f"a {chance.choice(WORDS[label].split())} thing number {chance.randrange(1000)}"
            weight = f"{number % 3 * 10 + chance.random() * 15:.2f}" if number % 11 else ""
            day = f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 28):02}"
            shown = "gone.png" if number % 17 == 5 else name
            table.writerow(
                [f"images/{shown}", remark, weight, chance.choice(["here", "there", "nowhere"]), day, label]
            )
    return folder


def png(colour: tuple[int, ...], size: tuple[int, int] = (20, 16), mode: str = "RGB") -> bytes:
    """Draw one image of a single colour."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def job_env(folder: Path, **changes: str) -> dict[str, str]:
    """Give the variables of a job on a tiny data set in a folder, with some changed; "" unsets one."""
    assets = [
        {"key": "train_file", "s3_uri": f"file://{folder}/table.csv"},
        {"key": "train_folder", "s3_uri": f"file://{folder}/images"},
    ]
    env = {
        "MODEL": "dummy_model",
        "JOB_ID": "job-1",
        "ASSETS": json.dumps(assets),
        "ARTIFACTS_URI": f"file://{folder}/out",
        "WORKDIR": f"{folder}/work",
        "TARGET_COL": "label",
        "EPOCHS": "2",
        **changes,
    }
    return {name: value for name, value in env.items() if value}


def prepared(folder: Path, **changes: str) -> tuple[JobSpec, Data]:
    """Read a data set in a folder as its trainer would; images only where the folder has some."""
    spec = JobSpec.from_env(job_env(folder, **changes))
    images = folder / "images"
    return spec, prepare(spec, Inputs(folder / "table.csv", open_images(images) if images.is_dir() else None))


def train(
    folder: Path, *, more: Sequence[Path] = (), reporter: Reporter | None = None, **changes: str
) -> tuple[Data, TrainingReport, Artifacts]:
    """Train a model on a data set in a folder, in this process."""
    spec, data = prepared(folder, **changes)
    model = catalogue.find(spec.model, more)
    params = model.params(spec.model_params)
    checkpoints = Checkpoints(folder, [], "", save_seconds=60, store_seconds=math.inf)
    deadline = time.monotonic() + spec.time_budget if spec.time_budget else math.inf
    given = TrainParams(spec, params, data, reporter or SilentReporter(), folder, checkpoints, deadline)
    report, artifacts = model.load_train()(given)
    return data, report, artifacts
