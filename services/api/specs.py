"""From a request for training to a job's settings, and from those to the trainer's environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.job import MODALITY_OF, Asset, JobSpec
from contracts.schema import ColumnType, Role
from runtime.errors import Invalid
from services.api.schemas import detected, effective, target_of, unknown_column, why_no_target

if TYPE_CHECKING:
    from services.api.catalogue import Catalogue
    from services.api.models import Dataset, Job

RESOURCES = {"cpus": 2.0, "memory_mb": 4096, "max_seconds": 86_400}  # of a job that asks for nothing else
_RESUMED = 5  # earlier attempts whose checkpoints are looked for
_PLAIN = (
    "epochs",
    "learning_rate",
    "batch_size",
    "time_budget",
    "validation_split",
    "split_column",
    "seed",
    "eval_steps",
    "pretrained",
)


def settle(dataset: Dataset, catalogue: Catalogue, wish: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Turn a request's body into a target and full settings.

    Args:
        dataset: What to train on.
        catalogue: The models there are.
        wish: The request's body; what it leaves out is taken from the data set's schema and the defaults.

    Raises:
        Invalid: With every problem by its field.
    """
    model, params = wish["model"], wish.get("params", {})
    catalogue.check(model, params)
    columns = {column.name: column for column in effective(dataset)}
    types = {name: column.type for name, column in columns.items()}
    errors: dict[str, list[str]] = {}
    for name, kind in wish.get("column_types", {}).items():
        if name not in columns:
            errors[f"column_types.{name}"] = [unknown_column(name, list(columns))]
        types[name] = ColumnType(kind)
    target = wish.get("target") or target_of(dataset)
    if target is None:
        errors["target"] = ["no column was found that could be predicted; name one"]
    elif target not in columns:
        errors["target"] = [unknown_column(target, list(columns))]
    elif problem := why_no_target(columns[target]):
        errors["target"] = [problem]
    split_column = wish.get("split_column")
    if split_column and split_column not in columns:
        errors["split_column"] = [unknown_column(split_column, list(columns))]
    usable = {kind for kind in MODALITY_OF if kind is not ColumnType.IMAGE or dataset.files}
    features = wish.get("feature_columns") or [
        name
        for name, column in columns.items()
        if name not in {target, split_column} and column.role is not Role.LEAVE_OUT and types[name] in usable
    ]
    errors.update(_check_features(features, types, usable, target))
    if errors:
        raise Invalid("; ".join(f"{field}: {texts[0]}" for field, texts in errors.items()), errors)
    settings = {name: wish[name] for name in _PLAIN if wish.get(name) is not None}
    settings |= {
        "params": params,
        "feature_columns": features,
        "column_types": {name: types[name].value for name in [*features, target]},
        "resources": RESOURCES | wish.get("resources", {}),
    }
    return str(target), settings


def _check_features(
    features: list[str], types: dict[str, ColumnType], usable: set[ColumnType], target: str | None
) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not features:
        errors["feature_columns"] = ["no column is left to learn from; choose at least one"]
    for name in features:
        if name not in types:
            problem = unknown_column(name, list(types))
        elif name == target:
            problem = "it is the target, and cannot be a feature too"
        elif types[name] is ColumnType.IMAGE and ColumnType.IMAGE not in usable:
            problem = "it names images, and the data set was uploaded without any file"
        elif types[name] not in usable:
            allowed = ", ".join(kind.value for kind in MODALITY_OF)
            problem = f"its type is {types[name].value}; a feature is one of {allowed}"
        else:
            continue
        errors[f"feature_columns.{name}"] = [problem]
    return errors


def trainer_environment(job: Job, dataset: Dataset) -> dict[str, str]:
    """Give the environment of a job's trainer, but for what only the launcher knows.

    Artifacts go beside the data set, under jobs/<job>/<attempt>/ of the same object store.
    """
    if dataset.train_file is None:
        raise ValueError(f"data set {dataset.id} is not staged")
    root = dataset.train_file.removesuffix(f"/datasets/{dataset.id}/table.csv")
    assets = [Asset(key="train_file", s3_uri=dataset.train_file)]
    if dataset.train_folder:
        assets.append(Asset(key="train_folder", s3_uri=dataset.train_folder))
    settings = job.settings
    spec = JobSpec(
        model=job.model,
        job_id=job.id,
        attempt=job.attempt,
        artifacts_uri=f"{root}/jobs/{job.id}/{job.attempt}",
        # Not the one before alone: it may have ended before it had a checkpoint
        resume_from=[
            f"{root}/jobs/{job.id}/{attempt}/checkpoint.pt"
            for attempt in range(job.attempt - 1, max(job.checkpoints_from, job.attempt - _RESUMED) - 1, -1)
        ],
        assets=assets,
        target_col=job.target,
        feature_columns=settings["feature_columns"],
        column_types=settings["column_types"],
        dialect=detected(dataset).dialect,
        model_params=settings["params"],
        **{name: settings[name] for name in _PLAIN if name in settings},
    )
    return spec.to_env()
