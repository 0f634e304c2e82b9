"""What a model gives back, checked before anything is made of it: a mistake is told here, in words, and not somewhere later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.errors import ModelError
from trainer.results import Artifacts, TrainingReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.data import Data

TOLERANCE = 1e-3  # of a row's sum of probabilities
METRICS = ("accuracy", "macro_f1", "loss")  # that every report shows


def check_result(result: Any, name: str, data: Data) -> tuple[TrainingReport, Artifacts]:
    """Check what ``train`` returned.

    Args:
        result: Whatever it is.
        name: The model's.
        data: What it was trained on.

    Raises:
        ModelError: It is not a report and artifacts that fit the data.
    """
    if not (
        isinstance(result, tuple)
        and len(result) == 2  # noqa: PLR2004 - a pair
        and isinstance(result[0], TrainingReport)
        and isinstance(result[1], Artifacts)
    ):
        raise ModelError(f"train returned {_shown(result)}; it must return (TrainingReport, Artifacts)")
    report, artifacts = result
    if artifacts.model_type != name:
        raise ModelError(
            f"Artifacts.model_type is {artifacts.model_type!r}; it must be the model's name, {name!r}"
        )
    if artifacts.id2label != dict(enumerate(data.labels)):
        raise ModelError("Artifacts.id2label is not dict(enumerate(data.labels))")
    for key, array in artifacts.state_dict.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise ModelError(
                f"Artifacts.state_dict[{key!r}] is {_shown(array)}; it must be a numpy array of numbers"
            )
    _check_json("Artifacts.preprocessing", artifacts.preprocessing)
    _check_report(report, len(data.labels), len(data.split.val))
    return report, artifacts


def check_probabilities(result: Any, rows: int, classes: int) -> NDArray[np.float32]:
    """Check what ``predict`` returned, and give it as float32.

    Args:
        result: Whatever it is.
        rows: How many it was asked for.
        classes: How many there are.

    Raises:
        ModelError: It is no array of probabilities, shape (rows, classes).
    """
    if not isinstance(result, np.ndarray) or result.dtype.kind != "f":
        raise ModelError(f"predict returned {_shown(result)}; it must return a numpy array of floats")
    if result.shape != (rows, classes):
        raise ModelError(
            f"predict returned shape {result.shape}; it must be (rows, classes), here ({rows}, {classes})"
        )
    if not np.isfinite(result).all():
        bad = int((~np.isfinite(result)).any(axis=1).sum())
        raise ModelError(f"predict returned NaN or infinity in {bad} of {rows} rows")
    sums = result.sum(axis=1)
    if (result < 0).any() or (np.abs(sums - 1) > TOLERANCE).any():
        raise ModelError(
            f"predict returned no probabilities: the least is {result.min():g}, rows sum to {sums.min():g} to {sums.max():g}; "
            "each must be at least 0, and a row's sum 1"
        )
    return result.astype(np.float32, copy=False)


def _check_report(report: TrainingReport, classes: int, rows: int) -> None:
    lacking = [name for name in METRICS if name not in report.metrics]
    if lacking:
        raise ModelError(f"TrainingReport.metrics lacks {', '.join(lacking)}")
    _check_json("TrainingReport", report.model_dump())
    matrix = np.array(report.confusion_matrix)
    if matrix.shape != (classes, classes) or matrix.sum() != rows:
        raise ModelError(
            f"TrainingReport.confusion_matrix has shape {matrix.shape} and sum {matrix.sum()}; it must have a row and a "
            f"column for each of {classes} classes, and count the {rows} validation rows"
        )


def _check_json(what: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what} cannot be written as JSON: {error}") from None


def _shown(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of {value.dtype}" if isinstance(value, np.ndarray) else kind
