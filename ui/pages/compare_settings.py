"""The settings in which jobs differ; what nobody set counts with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ui import schema_form
from ui.pages.job_settings import LISTED
from ui.pages.new_job_request import ADVANCED, BASIC, RESOURCES, settings_fields, titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import JobDetail, Model

NONE = "–"  # where a job has no such setting
LONGEST = 12  # columns of a job that are listed


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in all jobs that have it."""

    name: str
    values: list[Any]  # of each job; None: it has no such setting, or an automatic one
    texts: list[list[str]]  # the same for people, in lines

    @property
    def is_short(self) -> bool:
        """Say whether each value fits a line."""
        return all(len(lines) == 1 for lines in self.texts)


def differing(jobs: Sequence[JobDetail], models: Sequence[Model]) -> list[Difference]:
    """Give what differs, in the order of a job's own page.

    A setting that only some models have is compared among the jobs of those: that the models differ is told by itself.
    """
    filled = [_filled(job, models) for job in jobs]
    words = titles(*models)
    found = []
    for key in dict.fromkeys(key for settings in filled for key in settings):
        values = [settings.get(key) for settings in filled]
        there = [settings[key] for settings in filled if key in settings]
        if any(value != there[0] for value in there):
            texts = [[_written(settings[key]) if key in settings else NONE] for settings in filled]
            found.append(Difference(words.get(key) or schema_form.title(key), values, texts))
    return [*found, *_columns(jobs), *_types(jobs)]


def _filled(job: JobDetail, models: Sequence[Model]) -> dict[str, Any]:
    """Give all settings of a job but its columns. The API keeps those that were sent along, and the form sends all."""
    settings = job["settings"]
    schema = next((model["params_schema"] for model in models if model["name"] == job["model"]), {})
    of_all = settings_fields((*BASIC, *ADVANCED))
    given = {key: value for key, value in settings.items() if key not in {"params", "resources", *LISTED}}
    return {
        "data_set": job["dataset_name"],
        "model": job["model"],
        "target": job["target"],
        **{field.name: field.default for field in of_all},
        **given,
        **{field.name: field.default for field in schema_form.fields_of(schema)},
        **(settings.get("params") or {}),
        **{field.name: field.default for field in RESOURCES},
        **(settings.get("resources") or {}),
    }


def _columns(jobs: Sequence[JobDetail]) -> list[Difference]:
    """Tell the columns to learn from that not all jobs have, by their names."""
    every = [job["settings"].get("feature_columns") or [] for job in jobs]
    shared = set(every[0]).intersection(*every) if every else set()
    own = [[column for column in columns if column not in shared] for columns in every]
    return _listed(f"Columns, beside {len(shared)} in common" if shared else "Columns", own)


def _types(jobs: Sequence[JobDetail]) -> list[Difference]:
    """Tell the types of the columns that are not of one type in all jobs that have them."""
    every = [job["settings"].get("column_types") or {} for job in jobs]
    kinds: dict[str, set[str]] = {}
    for types in every:
        for column, kind in types.items():
            kinds.setdefault(column, set()).add(kind)
    own = [
        [f"{column}: {kind}" for column, kind in types.items() if len(kinds[column]) > 1] for types in every
    ]
    return _listed("Column types", own)


def _listed(title: str, own: list[list[str]]) -> list[Difference]:
    if not any(own):
        return []
    texts = [
        [*lines[:LONGEST], *([f"and {len(lines) - LONGEST} more"] if len(lines) > LONGEST else [])] or [NONE]
        for lines in own
    ]
    return [Difference(title, [", ".join(lines) or None for lines in own], texts)]


def _written(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return schema_form.UNSET
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
