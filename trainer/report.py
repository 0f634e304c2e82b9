"""report.json: everything a person asks of a finished training, and model_card.md, the same to read."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Any

from trainer.artifacts import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from contracts.job import JobSpec
    from trainer.data import Data
    from trainer.models.catalogue import ModelParams
    from trainer.results import TrainingReport

PACKAGES = ("triptych", "numpy", "pillow", "polars", "scikit-learn", "torch")


def write_report(
    spec: JobSpec,
    params: ModelParams,
    data: Data,
    training: TrainingReport,
    durations: Mapping[str, float],
    folder: Path,
) -> dict[str, float]:
    """Write report.json and model_card.md.

    Args:
        spec: The job; its secret is left out.
        params: The model's parameters with their defaults filled in.
        data: What was trained on.
        training: How it went.
        durations: Seconds of each phase so far.
        folder: Where to write.

    Returns:
        The metrics of the best state, with the majority rate beside them.
    """
    metrics = {**training.metrics, "majority_rate": data.majority_rate}
    report: dict[str, Any] = {
        "version": 1,
        "job_id": spec.job_id,
        "attempt": spec.attempt,
        "model": {"name": spec.model, "title": params.TITLE, "params": params.model_dump(mode="json")},
        "target": spec.target_col,
        "labels": data.labels,
        "metrics": metrics,
        "best_epoch": training.best_epoch,
        "per_class": [entry.model_dump() for entry in training.per_class],
        "confusion_matrix": training.confusion_matrix,
        "history": [record.model_dump() for record in training.history],
        "split": {"train": len(data.split.train), "val": len(data.split.val)},
        "columns": _columns_by_modality(data),
        "column_types": {column.name: column.type.value for column in data.columns},
        "notes": [*data.notes, *training.notes],
        "device": training.device,
        "parameters": training.parameters,
        "durations": {name: round(seconds, 3) for name, seconds in durations.items()},
        "settings": spec.model_dump(mode="json", exclude={"callback_secret"}),
        "versions": _versions(),
    }
    write_json(folder / "report.json", report)
    (folder / "model_card.md").write_text(_model_card(report), encoding="utf-8")
    return metrics


def _columns_by_modality(data: Data) -> dict[str, list[str]]:
    return {
        modality: [column.name for column in data.columns if column.modality == modality]
        for modality in ("image", "text", "tabular")
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # an image may hold only what its models need
    return versions


def _model_card(report: Mapping[str, Any]) -> str:
    metrics, split, model = report["metrics"], report["split"], report["model"]
    columns = "\n".join(
        f"- {modality}: {', '.join(f'`{name}`' for name in names)}"
        for modality, names in report["columns"].items()
        if names
    )
    classes = "\n".join(
        f"| {row['label'].replace('|', '/')} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']} |"
        for row in report["per_class"]
    )
    notes = "\n".join(f"- {note}" for note in report["notes"]) or "- none"
    return f"""# {model["title"]}: predicts `{report["target"]}`

Job `{report["job_id"]}`, attempt {report["attempt"]}, model `{model["name"]}` with {report["parameters"]:,} parameters, trained on
{split["train"]:,} rows and measured on {split["val"]:,} others ({report["device"]}, {report["durations"]["training"]:.0f} s).

## Figures on the validation rows (best epoch: {report["best_epoch"]})

| accuracy | macro-F1 | loss | always the most frequent class |
|---|---|---|---|
| {metrics["accuracy"]:.4f} | {metrics["macro_f1"]:.4f} | {metrics["loss"]:.4f} | {metrics["majority_rate"]:.4f} |

The best epoch was chosen by its accuracy on these same rows, so expect a little less on new ones.

| class | precision | recall | F1 | rows |
|---|---|---|---|---|
{classes}

## Learnt from

{columns}

## To know

{notes}

## Use

`python -m trainer.predict --artifacts FOLDER --table new.csv --images FOLDER --out predictions.csv`
"""
