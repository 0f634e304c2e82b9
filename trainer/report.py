"""report.json: everything a person asks of a finished training, and model_card.md, the same to read."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from contracts.job import MODALITIES
from contracts.report import Epoch, ModelInfo, Report, SplitRows
from trainer import scores
from trainer.artifacts import write_json
from trainer.fingerprint import fingerprint, hardware
from trainer.model_card import model_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from contracts.job import JobSpec
    from trainer.data import Data
    from trainer.explain import Explanation
    from trainer.inputs import Inputs
    from trainer.models.catalogue import ModelParams
    from trainer.results import TrainingReport

PACKAGES = ("triptych", "numpy", "pillow", "polars", "scikit-learn", "scipy", "torch", "torchvision")
SAME_ACCURACY = 1e-6


def write_report(
    spec: JobSpec,
    params: ModelParams,
    inputs: Inputs,
    data: Data,
    training: TrainingReport,
    explanation: Explanation,
    durations: Mapping[str, float],
    folder: Path,
) -> dict[str, float]:
    """Write report.json and model_card.md.

    Args:
        spec: The job; its secret is left out.
        params: The model's parameters with their defaults filled in.
        inputs: The files it read.
        data: What was trained on.
        training: How it went.
        explanation: What was found out about the result.
        durations: Seconds of each phase so far.
        folder: Where to write.

    Returns:
        The metrics of the best state, with the majority rate beside them.
    """
    metrics = _metrics(data, training, explanation)
    data_print = None
    with explanation.part("the data's fingerprint"):
        data_print = fingerprint(spec, inputs, data)
    matrix = explanation.matrix
    report = Report(
        job_id=spec.job_id,
        attempt=spec.attempt,
        model=ModelInfo(name=spec.model, title=params.TITLE, params=params.model_dump(mode="json")),
        target=spec.target_col,
        labels=data.labels,
        metrics=metrics,
        best_epoch=training.best_epoch,
        per_class=training.per_class if matrix is None else scores.per_class(matrix, data.labels),
        confusion_matrix=training.confusion_matrix if matrix is None else matrix.tolist(),
        history=[
            Epoch.model_validate(record.model_dump(include=set(Epoch.model_fields)))
            for record in training.history
        ],
        split=SplitRows(train=len(data.split.train), val=len(data.split.val)),
        columns=_columns_by_modality(data),
        column_types={column.name: column.type.value for column in data.columns},
        notes=[*data.notes, *training.notes, *explanation.notes, *_remarks(metrics, training, explanation)],
        device=training.device,
        parameters=training.parameters,
        durations={name: round(seconds, 3) for name, seconds in durations.items()},
        settings=spec.model_dump(mode="json", exclude={"callback_secret"}),
        versions=_versions(),
        calibration=explanation.calibration,
        contributions=explanation.contributions,
        mistakes=explanation.mistakes,
        baselines=explanation.baselines,
        data=data_print,
        hardware=hardware(),
    )
    write_json(folder / "report.json", report.model_dump(mode="json"))
    (folder / "model_card.md").write_text(model_card(report), encoding="utf-8")
    return metrics


def _metrics(data: Data, training: TrainingReport, explanation: Explanation) -> dict[str, float]:
    """Give training's figures, and over them what the saved model's own answers give."""
    metrics = {**training.metrics, "majority_rate": data.majority_rate}
    if explanation.matrix is not None:
        metrics |= {
            "accuracy": scores.accuracy(explanation.matrix),
            "macro_f1": scores.macro_f1(explanation.matrix),
            "weighted_f1": scores.weighted_f1(explanation.matrix),
            "balanced_accuracy": scores.balanced_accuracy(explanation.matrix),
        }
    if explanation.calibration is not None:
        before = explanation.calibration.before
        metrics |= {"log_loss": before.log_loss, "brier": before.brier, "ece": before.ece}
    return metrics


def _remarks(metrics: Mapping[str, float], training: TrainingReport, explanation: Explanation) -> list[str]:
    remarks = []
    measured = training.metrics.get("accuracy", metrics["accuracy"])
    if abs(metrics["accuracy"] - measured) > SAME_ACCURACY:
        remarks.append(
            f"the saved model's accuracy is {metrics['accuracy']:.4f}, training measured {measured:.4f}; the former is told"
        )
    remarks.extend(
        f"{baseline.title.lower()}: accuracy {baseline.accuracy:.4f}, no worse than this model's {metrics['accuracy']:.4f}"
        for baseline in explanation.baselines
        if baseline.accuracy >= metrics["accuracy"]
    )
    return remarks


def _columns_by_modality(data: Data) -> dict[str, list[str]]:
    return {
        modality: [column.name for column in data.columns if column.modality == modality]
        for modality in MODALITIES
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an image may hold only what its models need
    return versions
