"""How many jobs, data sets and predictions are in which state, for /metrics of the api's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from runtime.metrics import gauge
from services.api import job_states
from services.api.models import Dataset, Job, Prediction

if TYPE_CHECKING:
    from runtime.db import Database
    from runtime.metrics import ByLabels, Figures

GAUGES: Final = (
    gauge("triptych_jobs", "Training jobs by state.", "state"),
    gauge("triptych_datasets", "Data sets by state.", "state"),
    gauge("triptych_predictions", "Predictions by state.", "state"),
)
# Those known are told as 0 where there is none, so that an alert or a curve has something to begin with
_STATES: Final[dict[str, tuple[type[Job | Dataset | Prediction], tuple[str, ...]]]] = {
    "triptych_jobs": (Job, job_states.STATES),
    "triptych_datasets": (Dataset, ("uploaded", "ready", "rejected")),
    "triptych_predictions": (Prediction, ("waiting", "running", "succeeded", "failed")),
}


def of(db: Database) -> Figures:
    """Read the gauges."""
    read = {}
    with db.read() as session:
        for name, (table, states) in _STATES.items():
            counts: ByLabels = {(state,): 0.0 for state in states}
            for state, count in session.execute(select(table.state, func.count()).group_by(table.state)):
                counts[(state,)] = count
            read[name] = counts
    return read
