"""Tiny data sets of all modalities, and the environment of a job on them."""

from __future__ import annotations

import csv
import io
import json
import random
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

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
