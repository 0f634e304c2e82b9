"""Those that are compared. Each fits on the train and val rows of one table, then predicts another without the target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from contracts.job import JobSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmarks.accuracy.folder import DataFolder

ROOT = Path(__file__).parents[2]
LAST_LINES = 15


class ContenderFailed(RuntimeError):
    """A process of a contender ended badly; the message holds the end of its output."""


@dataclass(frozen=True)
class Task:
    """One split of a data folder, written out."""

    data: DataFolder
    seed: int
    fit_table: Path  # train and val rows, with target and ``side``
    test_table: Path  # test rows, features only
    side: str  # column of fit_table: train or val
    classes: list[str]  # of the train rows, sorted
    true_types: bool  # whether contenders are told the types of the columns


@dataclass
class Outcome:
    """What a contender gave back."""

    test: NDArray[np.float64]  # probabilities, shape (test rows, classes)
    val: NDArray[np.float64] | None = (
        None  # the same for val rows, in the table's order, where there are such
    )
    fit_seconds: float = 0.0
    fit_cpu_seconds: float = 0.0
    predict_seconds: float = 0.0
    chosen: dict[str, Any] = field(default_factory=dict)


class Contender(Protocol):
    """Takes part."""

    name: str

    @property
    def setup(self) -> dict[str, Any]:
        """All that distinguishes its runs from others of its name; JSON."""

    def run(self, task: Task, folder: Path) -> Outcome:
        """Fit and predict, with files in an empty folder.

        Raises:
            ContenderFailed: It could not.
        """


class Majority:
    """Predicts the classes' shares of the train rows for every row."""

    name = "majority"
    setup: dict[str, Any] = {}  # noqa: RUF012 - a constant of the protocol

    def run(self, task: Task, folder: Path) -> Outcome:  # noqa: ARG002 - the protocol's
        """Count."""
        table = pl.read_csv(task.fit_table, infer_schema=False)
        train = table.filter(pl.col(task.side) == "train")[task.data.target]
        counts = np.array([(train == name).sum() for name in task.classes], dtype=np.float64)
        rows = pl.read_csv(task.test_table, infer_schema=False).height
        return Outcome(np.tile(counts / counts.sum(), (rows, 1)))


class Reference:
    """One kind of the scikit-learn reference, in processes of its own."""

    def __init__(self, kind: str) -> None:
        """Take linear, trees or lightgbm."""
        self.name = kind

    @property
    def setup(self) -> dict[str, Any]:
        """Nothing can be set."""
        return {}

    def run(self, task: Task, folder: Path) -> Outcome:
        """Fit and predict."""
        job = {
            "kind": self.name,
            "fit_table": str(task.fit_table),
            "test_table": str(task.test_table),
            "side": task.side,
            "target": task.data.target,
            "types": dict(task.data.types),
            "images": str(task.data.images) if task.data.images else None,
            "rows": task.data.rows.height,
            "folder": str(folder),
        }
        (folder / "job.json").write_text(json.dumps(job))
        command = [sys.executable, "-m", "benchmarks.accuracy.reference"]
        wall, cpu = timed([*command, "fit", str(folder / "job.json")], {}, folder / "fit.log")
        predicting, _ = timed([*command, "predict", str(folder / "job.json")], {}, folder / "predict.log")
        chosen = json.loads((folder / "chosen.json").read_text())
        return Outcome(
            np.load(folder / "test.npy"), np.load(folder / "val.npy"), wall, cpu, predicting, chosen
        )


class Ours:
    """A model of this project, trained and asked as a person would: ``python -m trainer``, ``python -m trainer.predict``."""

    def __init__(
        self, name: str, model: str, params: Mapping[str, Any], pretrained: Path | None = None
    ) -> None:
        self.name = name
        self._model = model
        self._params = dict(params)
        self._pretrained = pretrained.resolve() if pretrained else None

    @property
    def setup(self) -> dict[str, Any]:
        """Model, parameters, and the folder of weights, if any."""
        weights = {"pretrained": str(self._pretrained)} if self._pretrained else {}
        return {"model": self._model, "params": self._params, **weights}

    def run(self, task: Task, folder: Path) -> Outcome:
        """Train and predict."""
        images = task.data.images
        assets = [{"key": "train_file", "s3_uri": task.fit_table.as_uri()}]
        if images:
            assets.append({"key": "train_folder", "s3_uri": images.as_uri()})
        env = JobSpec.model_validate(
            {
                "model": self._model,
                "job_id": f"seed-{task.seed}",
                "assets": assets,
                "artifacts_uri": (folder / "out").as_uri(),
                "workdir": str(folder / "work"),
                "target_col": task.data.target,
                "split_column": task.side,
                "feature_columns": list(task.data.types),
                "column_types": task.data.types if task.true_types else {},
                "model_params": self._params,
                "seed": task.seed,
                "pretrained_uri": self._pretrained.as_uri() if self._pretrained else "",
            }
        ).to_env()
        wall, cpu = timed([sys.executable, "-m", "trainer"], env, folder / "fit.log")
        command = [sys.executable, "-m", "trainer.predict", "--artifacts", str(folder / "out")]
        command += ["--table", str(task.test_table), "--out", str(folder / "test.csv")]
        command += ["--images", str(images)] if images else []
        predicting, _ = timed(command, {}, folder / "predict.log")
        report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
        chosen = {"best_epoch": report["best_epoch"], "val": report["metrics"]}
        probabilities = _columns(folder / "test.csv", task.classes)
        rows = pl.read_csv(task.test_table, infer_schema=False).height
        if len(probabilities) != rows:
            raise ContenderFailed(f"trainer.predict gave {len(probabilities)} predictions of {rows} rows")
        return Outcome(
            probabilities,
            fit_seconds=wall,
            fit_cpu_seconds=cpu,
            predict_seconds=predicting,
            chosen=chosen,
        )


def timed(command: list[str], env: Mapping[str, str], log: Path) -> tuple[float, float]:
    """Run a command from the repository's root, with its output in a file.

    Args:
        command: Program and arguments.
        env: Variables of a job; those of this process that could be taken for such are not passed on.
        log: Gets everything the command prints.

    Returns:
        Seconds by the clock, and CPU seconds of the process and its children.

    Raises:
        ContenderFailed: The exit code is not 0.
    """
    inherited = {
        name: value for name, value in os.environ.items() if name.lower() not in JobSpec.model_fields
    }
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**inherited, **env}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        raise ContenderFailed(f"{' '.join(command[1:3])} ended with exit code {process.returncode}:\n{end}")
    return wall, usage.ru_utime + usage.ru_stime


def _columns(predictions: Path, classes: list[str]) -> NDArray[np.float64]:
    """Read each class's probabilities; a class the model does not know gets 0."""
    table = pl.read_csv(predictions)
    known = [name for name in classes if f"p({name})" in table.columns]
    if not known:
        raise ContenderFailed(f"{predictions} has no column for any of the classes {', '.join(classes)}")
    zeros = pl.lit(0.0)
    return table.select(
        [
            pl.col(f"p({name})").cast(pl.Float64) if name in known else zeros.alias(f"p({name})")
            for name in classes
        ]
    ).to_numpy()
