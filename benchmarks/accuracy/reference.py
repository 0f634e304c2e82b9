"""The reference: ``fit`` learns from train rows and selects by val rows, ``predict`` is given the test rows, without their target.

Each is a process of its own, as a person would run a script, so that imports cost it what they cost our trainer:

    python -m benchmarks.accuracy.reference fit JOB.json
    python -m benchmarks.accuracy.reference predict JOB.json
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from benchmarks.accuracy.kinds import FEW_ROWS, KINDS
from benchmarks.accuracy.sheet import Reader
from contracts.schema import ColumnType


def fit(job: dict[str, Any]) -> None:
    """Fit one kind and write it, with its probabilities of the val rows, to the job's folder."""
    table = Path(job["fit_table"])
    raw = pl.read_csv(table, infer_schema=False)
    sides, labels = raw[job["side"]].to_numpy(), raw[job["target"]].to_numpy()
    classes = np.unique(labels)
    truth = np.searchsorted(classes, labels)
    types = {name: ColumnType(kind) for name, kind in job["types"].items()}
    reader = Reader(table, types, Path(job["images"]) if job["images"] else None)
    sheets = {side: reader.read(raw.filter(sides == side)) for side in ("train", "val")}
    model = KINDS[job["kind"]]()
    chosen = model.fit(
        reader, (sheets["train"], truth[sides == "train"]), (sheets["val"], truth[sides == "val"])
    )
    folder = Path(job["folder"])
    joblib.dump((reader, model), folder / "model.joblib")
    np.save(folder / "val.npy", model.probabilities(sheets["val"]))
    (folder / "chosen.json").write_text(json.dumps(chosen))


def predict(job: dict[str, Any]) -> None:
    """Write the probabilities of the test rows."""
    folder, table = Path(job["folder"]), Path(job["test_table"])
    reader, model = joblib.load(folder / "model.joblib")
    raw = pl.read_csv(table, infer_schema=False)
    np.save(folder / "test.npy", model.probabilities(reader.read(raw)))


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    asked = json.loads(Path(sys.argv[2]).read_text())
    with threadpool_limits(1 if asked["rows"] < FEW_ROWS else None):
        {"fit": fit, "predict": predict}[sys.argv[1]](asked)
