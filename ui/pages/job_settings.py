"""A job's settings as one list of names and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.types import JobDetail

LISTED = ("feature_columns", "column_types")  # too long for a line


def flat_settings(job: JobDetail) -> dict[str, Any]:
    """Give the settings that have a value, those of the model and of the machine among them, and what is trained on what."""
    settings = {key: value for key, value in job["settings"].items() if key not in {"params", "resources"}}
    inner = {**(job["settings"].get("params") or {}), **(job["settings"].get("resources") or {})}
    every = {
        "data_set": job["dataset_name"],
        "model": job["model"],
        "target": job["target"],
        **settings,
        **inner,
    }
    return {key: value for key, value in every.items() if value not in (None, [], {})}
