"""A training's results as files, and their upload."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from contracts.callback import ArtifactInfo
from trainer import objects
from trainer.tables import prediction_table, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.data import Data
    from trainer.explain import Explanation
    from trainer.results import Artifacts

WEIGHTS = "model.safetensors"
PREPROCESSING = "preprocessing.json"
ID2LABEL = "id2label.json"
VALIDATION = "validation_predictions.csv"


def write_artifacts(
    artifacts: Artifacts, data: Data, target: str, explanation: Explanation, folder: Path
) -> None:
    """Write everything that prediction needs, and the predictions of the validation rows, into a folder made anew."""
    shutil.rmtree(folder, ignore_errors=True)  # what a run before this one left would be taken for this one's
    folder.mkdir(parents=True)
    _write_weights(artifacts.state_dict, folder)
    write_json(folder / ID2LABEL, {str(number): label for number, label in artifacts.id2label.items()})
    preprocessing = {
        "version": 1,
        "model": artifacts.model_type,
        "target": target,
        "columns": [column.model_dump(mode="json") for column in data.columns],
        "temperature": explanation.temperature,
        "fitted": artifacts.preprocessing,
    }
    write_json(folder / PREPROCESSING, preprocessing)
    if explanation.predictions is not None:
        val = data.split.val
        table = prediction_table(data.table_rows[val], explanation.predictions, data.labels)
        truth = [data.labels[number] for number in data.target[val]]
        write_csv(table.insert_column(1, pl.Series("truth", truth)), folder / VALIDATION)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def upload(folder: Path, destination: str, progress: Callable[[float], None]) -> list[ArtifactInfo]:
    """Put every file of a folder under a URI.

    Args:
        folder: The files; no subfolders.
        destination: URI without a trailing slash.
        progress: Told the share of the bytes that are up, 0 to 1.

    Raises:
        DataError: The destination cannot be written.
    """
    files = sorted(folder.iterdir())
    total, done = sum(path.stat().st_size for path in files), 0
    infos = []
    for path in files:
        uri = f"{destination}/{path.name}"
        objects.put(path, uri)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        infos.append(ArtifactInfo(name=path.name, uri=uri, size=size, sha256=digest))
        done += size
        progress(done / total)
    return infos


def _write_weights(state: Mapping[str, NDArray[Any]], folder: Path) -> None:
    import torch  # noqa: PLC0415 - seconds to import, and not needed before
    from safetensors.numpy import save_file  # noqa: PLC0415

    arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
    save_file(arrays, folder / WEIGHTS)
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, folder / "model.pt")
