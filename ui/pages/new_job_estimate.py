"""How long a new job may take, by jobs of the same model that ended well: a range, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from client import Refused
from ui import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from client import Api
    from client.types import JobSummary, JobWish, Model

LOOKED_AT = 20  # jobs before this one, latest first
COMPARED = 5  # of them, each of which costs a call or two
_SCALED = "; a range, since rows, epochs or networks differ"
SAME = 0.01  # work that differs by no more than this share is the same


@dataclass(frozen=True)
class Estimate:
    """A span of seconds.

    Attributes:
        low: Seconds, at least.
        high: Seconds, at most.
        jobs: How many former jobs it rests on.
        here: Whether these learnt from the same data set.
        scaled: Whether their rows, epochs or networks differ from the new job's.
    """

    low: float
    high: float
    jobs: int
    here: bool
    scaled: bool


def estimate(api: Api, body: JobWish, model: Model) -> Estimate | None:
    """Compare a job with former ones of its model: those on its data set, else any.

    Starting up takes as long for few rows as for many, and passes over the rows grow with them. Which part of a job's time is
    which nobody wrote down, so a former job of other size says two bounds: its own seconds, and these in proportion to the work.
    Columns and machine are left aside.

    Args:
        api: Of the platform.
        body: Of POST /api/training_jobs/.
        model: The one it names.
    """
    seconds: list[float] = []
    scaled = False
    own = body["dataset_id"]
    rows = {own: api.dataset(own)["rows"]}
    wish = _work(body, model)
    former = _former(api, body, dataset_id=own) or _former(api, body)
    compared = 0
    for job in former[:COMPARED]:
        try:
            settings = api.job(job["id"])["settings"]
            if job["dataset_id"] not in rows:
                rows[job["dataset_id"]] = api.dataset(job["dataset_id"])["rows"]
        except Refused:
            continue  # one of them is deleted by now
        took = _seconds(job)
        ratio = _ratio(wish | {"rows": rows[own]}, _work(settings, model) | {"rows": rows[job["dataset_id"]]})
        scaled = scaled or abs(ratio - 1) > SAME
        seconds += [took, took * ratio]
        compared += 1
    if not seconds:
        return None
    return Estimate(min(seconds), max(seconds), compared, former[0]["dataset_id"] == own, scaled)


def told(found: Estimate | None) -> str:
    """Write an estimate with its ground."""
    if found is None:
        return "unknown: no job of this model has succeeded yet"
    low, high = wording.duration(found.low), wording.duration(found.high)
    span = f"about {low}" if low == high else f"about {low} to {high}"
    jobs = "the one" if found.jobs == 1 else f"the {found.jobs}"
    if found.here and not found.scaled:
        return f"{span}, as {jobs} before did"
    ground = (
        f"by {wording.plural(found.jobs, 'job')} of this model on {'these' if found.here else 'other'} data"
    )
    return f"{span}: {ground}" + (_SCALED if found.scaled and low != high else "")


def _former(api: Api, body: JobWish, *, dataset_id: str = "") -> list[JobSummary]:
    found = api.jobs(dataset_id=dataset_id, state="succeeded", page_size=LOOKED_AT)["items"]
    return [
        job for job in found if job["model"] == body["model"] and job["started_at"] and job["finished_at"]
    ]


def _seconds(job: JobSummary) -> float:
    begun, ended = wording.moment(job["started_at"]), wording.moment(job["finished_at"])
    return (ended - begun).total_seconds()  # type: ignore[operator] # _former has those with both


def _work(settings: Mapping[str, Any], model: Model) -> dict[str, float | None]:
    """Give what multiplies a job's passes over its rows, as far as it was set or the model's preset says."""
    params = settings.get("params") or {}
    schema = model["params_schema"]
    usual = schema.get("properties", {}).get("preset", {}).get("default")
    preset = schema.get("presets", {}).get(params.get("preset") or usual, {})
    return {
        "epochs": settings.get("epochs") or preset.get("epochs"),
        "networks": params.get("networks") or preset.get("networks"),
    }


def _ratio(wish: Mapping[str, float | None], former: Mapping[str, float | None]) -> float:
    """Say how many times a former job's work a new one is, by what is known of both."""
    ratio = 1.0
    for name, value in wish.items():
        before = former[name]
        if value and before:
            ratio *= value / before
    return ratio
