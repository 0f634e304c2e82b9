"""A trained model from its artifacts: typed rows in, a table of calibrated predictions out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file

from contracts.job import InvalidSpec
from tabular.imagelimits import ImageLimits
from trainer import objects
from trainer.artifacts import ID2LABEL, PREPROCESSING, WEIGHTS
from trainer.columns import Column
from trainer.errors import DataError
from trainer.figures import FLOOR
from trainer.inference import calibrated, predict_in_blocks, without_modality
from trainer.models import catalogue
from trainer.tables import prediction_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch.export import ExportedProgram

    from trainer.inference import Predictions
    from trainer.inputs import ImageFolder
    from trainer.models.model import Model
    from trainer.settings import Settings


@dataclass(frozen=True)
class SavedModel:
    """What a job's artifacts hold."""

    columns: list[Column]
    target: str
    labels: list[str]
    temperature: float
    predict: Callable[[pl.DataFrame, ImageFolder | None], NDArray[np.float32]]  # before calibration
    image_limits: ImageLimits = field(default_factory=ImageLimits)

    @property
    def modalities(self) -> list[str]:
        """Those the model reads, in the order of their first columns."""
        return list(dict.fromkeys(column.modality for column in self.columns))

    def table(
        self,
        rows: NDArray[np.int64],
        frame: pl.DataFrame,
        images: ImageFolder | None,
        *,
        top_k: int | None,
        contributions: bool,
    ) -> pl.DataFrame:
        """Predict some rows; the arguments are those of ``trainer.predict.predict_batches``."""
        modalities = self.modalities if contributions else []
        # one frame behind the other, so that the model decodes each image once
        variants = [frame, *(without_modality(frame, self.columns, modality) for modality in modalities)]
        raw = np.zeros((0, len(self.labels)), np.float32)
        if len(frame):
            raw = predict_in_blocks(lambda some: self.predict(some, images), pl.concat(variants))
        whole, *reduced = (calibrated(part, self.temperature) for part in np.split(raw, len(variants)))
        table = prediction_table(rows, whole, self.labels, top_k)
        return table.with_columns(
            pl.Series(f"contribution({modality})", _log_of(whole, whole.best) - _log_of(without, whole.best))
            for modality, without in zip(modalities, reduced, strict=True)
        )


def load_model(folder: Path, settings: Settings) -> SavedModel:
    """Open a job's artifacts.

    Args:
        folder: Where they are.
        settings: Say where further models are, and where to install what they require.

    Raises:
        DataError: They are not there, or are no artifacts of a job, or the model is not in the catalogue.
        ModelError: The model is broken.
    """
    saved, labels = _read_json(folder / PREPROCESSING), list(_read_json(folder / ID2LABEL).values())
    model, state = _open(saved, folder, settings)
    return SavedModel(
        columns=[Column.model_validate(column) for column in saved["columns"]],
        target=saved["target"],
        labels=labels,
        temperature=saved.get("temperature", 1.0),  # artifacts of before it was fitted have none
        predict=lambda frame, images: model.predict(saved["fitted"], state, frame, images, len(labels)),
        image_limits=settings.image_limits,
    )


def load_program(folder: Path, settings: Settings) -> ExportedProgram:
    """Make a job's model a program of torch.export; the arguments and errors are those of ``load_model``."""
    saved = _read_json(folder / PREPROCESSING)
    model, state = _open(saved, folder, settings)
    return model.export(saved["fitted"], state)


def fetch_artifacts(place: str, folder: Path) -> Path:
    """Make artifacts at a path or an s3:// or file:// URI readable as a local folder; of s3:// ones, what a model is opened from."""
    if place.startswith("s3://"):
        for name in (PREPROCESSING, ID2LABEL, WEIGHTS):
            objects.fetch(f"{place.rstrip('/')}/{name}", folder)
        return folder
    return objects.fetch_folder(place, folder, lambda _: None) if place.startswith("file:") else Path(place)


def _open(
    saved: dict[str, Any], folder: Path, settings: Settings
) -> tuple[Model, Mapping[str, NDArray[Any]]]:
    try:
        model = catalogue.find(saved["model"], catalogue.folders(settings.models_path))
        state: Mapping[str, NDArray[Any]] = load_file(folder / WEIGHTS)
    except (KeyError, TypeError, InvalidSpec, OSError, SafetensorError) as error:
        raise DataError(f"{folder} holds no model that can be opened here: {error}") from error
    model.install(settings.model_layers_dir)
    return model, state


def _log_of(predictions: Predictions, classes: NDArray[np.int64]) -> NDArray[np.float32]:
    chosen = predictions.probabilities[np.arange(len(classes)), classes]
    logs: NDArray[np.float32] = np.log(np.maximum(chosen, FLOOR))
    return logs


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; is --artifacts a job's folder?") from None
    except ValueError as error:
        raise DataError(f"{path} does not hold JSON: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no JSON object")
    return value
