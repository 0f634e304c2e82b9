"""How close the real training loop comes to its limits: images per second, seconds to the first step, memory.

* speed: samples a second of training epochs after the first, over those of the same network, losses, optimizer and averaging
  on ready-made batches that lie in memory. The batches are made before the clock starts, augmented images and all, so the
  peer does no work on data whatever; "plain" is the real loop without augmentation, the rest of the difference is gathering.
* start: seconds from a process's start to its first optimizer step on a small table, over those of ``import torch`` in a
  process of its own; medians of several.
* memory: peak anonymous memory of a whole training (what the kernel cannot drop; decoded images are a mapped file) for one
  number of images and for four times as many.

Run: python benchmarks/throughput.py [--rows 2000] [--rounds 5] [--only speed start memory]
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from contracts.job import JobSpec

if TYPE_CHECKING:
    from trainer.models.multimodal.batches import Batch

WORDS = [f"{a}{b}" for a in ("mar", "lo", "tan", "ves", "qui", "or") for b in ("in", "o", "eth", "ula", "ax")]
PIXELS = 96
KINDS = ("ready-made", "real", "plain")
FIRST_STEP = """
import sys, time, psutil
began = psutil.Process().create_time()
from trainer.main import run
def show(*_):
    print(time.time() - began, flush=True)
    import os
    os._exit(0)
import trainer.models.catalogue
find = trainer.models.catalogue.find
def patched(*arguments):
    model = find(*arguments)
    load = model.load_train
    def loaded():
        function = load()
        from trainer.models.multimodal.optimization import AdamWithSharedScale
        step = AdamWithSharedScale.step
        def stepped(self):
            step(self)
            show()
        AdamWithSharedScale.step = stepped
        return function
    model.load_train = loaded
    return model
trainer.models.catalogue.find = patched
run()
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=["speed", "start", "memory"])
    options = parser.parse_args()
    parts = {"speed": speed, "start": start, "memory": memory}
    for name in options.only or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder), options.rows, options.rounds)


def write(folder: Path, rows: int, *, images: bool = True) -> dict[str, str]:
    """Write a table of images, texts, numbers and levels; give the environment of a job on it."""
    chance = random.Random(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*(["picture"] * images), "remark", "size", "kind", "label"])
        for row in range(rows):
            label = row % 4
            cells = [
                " ".join(chance.choices(WORDS, k=12)),
                chance.gauss(label),
                chance.choice("abcde"),
                f"c{label}",
            ]
            if images:
                noise = np.random.default_rng(row).integers(0, 255, (PIXELS, PIXELS, 3), dtype=np.uint8)
                buffer = io.BytesIO()
                Image.fromarray(noise).save(buffer, "JPEG", quality=80)
                (folder / "images" / f"{row}.jpg").write_bytes(buffer.getvalue())
                cells.insert(0, f"{row}.jpg")
            table.writerow(cells)
    assets = [{"key": "train_file", "s3_uri": (folder / "table.csv").as_uri()}]
    if images:
        assets.append({"key": "train_folder", "s3_uri": (folder / "images").as_uri()})
    spec = {
        "model": "multimodal",
        "job_id": "throughput",
        "assets": assets,
        "artifacts_uri": (folder / "out").as_uri(),
        "workdir": str(folder / "work"),
        "api_base": "http://127.0.0.1:9",  # no one is there, but whoever reports has to be ready to
        "callback_secret": "throughput",
        "target_col": "label",
        "model_params": {"companions": False},
        "epochs": 3,
    }
    return JobSpec.model_validate(spec).to_env()


def speed(folder: Path, rows: int, rounds: int) -> None:
    """Compare epochs of the real loop with epochs over ready-made batches; in turns, since the machine's speed drifts."""
    import torch  # noqa: PLC0415 - the other parts measure what it costs

    from trainer.checkpoint import Checkpoints  # noqa: PLC0415
    from trainer.data import prepare as prepare_data  # noqa: PLC0415
    from trainer.inputs import fetch_inputs  # noqa: PLC0415
    from trainer.models import catalogue  # noqa: PLC0415
    from trainer.models.multimodal import train as loop  # noqa: PLC0415
    from trainer.models.multimodal.batches import gather  # noqa: PLC0415
    from trainer.models.multimodal.evaluation import choose_device  # noqa: PLC0415
    from trainer.models.multimodal.optimization import choose_batch_size  # noqa: PLC0415
    from trainer.models.multimodal.prepare import prepare  # noqa: PLC0415
    from trainer.models.multimodal.presets import Settings  # noqa: PLC0415
    from trainer.models.multimodal.ranks import Ranks  # noqa: PLC0415
    from trainer.models.multimodal.state import Progress  # noqa: PLC0415
    from trainer.reporter import SilentReporter  # noqa: PLC0415
    from trainer.results import TrainParams  # noqa: PLC0415

    spec = JobSpec.from_env(write(folder, rows))
    model = catalogue.find("multimodal")
    inputs = fetch_inputs(spec, folder / "inputs", lambda _: None)
    params = TrainParams(
        spec, model.params(spec.model_params), prepare_data(spec, inputs), SilentReporter(), folder,
        Checkpoints(folder, [], "", save_seconds=math.inf, store_seconds=math.inf), math.inf,
    )  # fmt: skip
    settings = replace(Settings.of(spec, params.model), patience=0, epochs=1 + rounds * len(KINDS))
    device = choose_device("auto")
    prepared, train_rows = prepare(params, settings, device), params.data.split.train

    batch_size = choose_batch_size(len(train_rows), settings.batch_size, settings.steps_per_epoch)
    steps = math.ceil(len(train_rows) / batch_size)
    ready_made: dict[int, Batch] = {}
    calls = itertools.count()

    def give(encoded: Any, rows: Any, where: Any, augment: Any = None) -> Batch:
        epoch, place = divmod(next(calls), steps)
        kind = KINDS[epoch % len(KINDS)]
        if kind == "ready-made" and place in ready_made:
            return ready_made[place]
        batch = gather(encoded, rows, where, None if kind == "plain" else augment)
        if epoch == 0:  # which does not count
            ready_made[place] = batch
        return batch

    loop.gather = give
    progress = Progress.resume(params, settings, Ranks(params.process, device), prepared.digest())
    loop.train_one(params, settings, prepared, progress, 0)
    print(
        f"speed: {len(train_rows)} rows with an image of {PIXELS} pixels, text, number, category; on {device}"
    )
    per_second = {
        kind: len(train_rows)
        / statistics.median(record.seconds for record in progress.history[1:][number :: len(KINDS)])
        for number, kind in enumerate((*KINDS[1:], KINDS[0]))
    }
    for kind, rows_per_second in per_second.items():
        ratio = rows_per_second / per_second["ready-made"]
        print(f"  {kind}: {rows_per_second:.0f} rows a second, {ratio:.3f} of ready-made")
    print(f"  goal: real 0.95; medians of {rounds} epochs each, taken in turns within one training")
    print(f"  torch threads: {torch.get_num_threads()}")


def start(folder: Path, _: int, rounds: int) -> None:
    """Compare the time to the first step with the import of torch."""
    for what, images in (("text, numbers, categories", False), ("images too", True)):
        env = write(folder / what[:4], 200, images=images)
        firsts, imports = [], []
        for _round in range(rounds):
            firsts.append(float(run([sys.executable, "-c", FIRST_STEP], env).split()[-1]))
            clock = "import psutil, time, torch; print(time.time() - psutil.Process().create_time())"
            imports.append(float(run([sys.executable, "-c", clock], {})))
        first, torch_alone = statistics.median(firsts), statistics.median(imports)
        print(
            f"start, 200 rows of {what}: first step after {first:.2f} s, import torch {torch_alone:.2f} s, "
            f"ratio {first / torch_alone:.2f} (goal 1.5)"
        )


def memory(folder: Path, rows: int, _: int) -> None:
    """Compare the peak memory of two trainings."""
    peaks = []
    for number in (rows // 2, rows * 2):
        env = write(folder / str(number), number)
        process = subprocess.Popen(
            [sys.executable, "-m", "trainer"],
            env=environment(env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, anonymous(process.pid))
            time.sleep(0.05)
        assert process.returncode == 0
        peaks.append(peak)
        print(f"memory: {number} images, peak {peak / 1e6:.0f} MB of anonymous memory")
    print(f"memory: four times the images, {peaks[1] / peaks[0]:.2f} times the memory")


def anonymous(pid: int) -> int:
    """Give a process's anonymous resident memory in bytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def run(command: list[str], env: dict[str, str]) -> str:
    """Run a process and give what it printed."""
    done = subprocess.run(command, env=environment(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


def environment(env: dict[str, str]) -> dict[str, str]:
    """Give the environment of a child process."""
    import os  # noqa: PLC0415 - only here

    return {**os.environ, "EXPLAIN_SHARE": "0", "PYTHONPATH": str(Path(__file__).parents[1]), **env}


if __name__ == "__main__":
    main()
