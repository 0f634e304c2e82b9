"""How many runs are in which state, for /metrics of the launcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from runtime.metrics import gauge
from services.launcher import runs
from services.launcher.models import ENDED, LAUNCHING, RUNNING, STOPPING, WAITING, Run

if TYPE_CHECKING:
    from runtime.db import Database
    from runtime.metrics import ByLabels, Figures

GAUGES: Final = (
    gauge(
        "triptych_runs",
        "Attempts of jobs that have not ended, by state; a waiting one has no launcher yet.",
        *("launcher", "state"),
    ),
    gauge(
        "triptych_runs_of_others",
        "Attempts of jobs that have not ended and that a launcher of another kind than this one has started.",
        "launcher",
    ),
)


def of(db: Database, launcher: str) -> Figures:
    """Read the gauges.

    Args:
        db: Where runs are.
        launcher: Name of this process's back end, whose states are told as 0 where there is none.
    """
    counts: ByLabels = {("", WAITING): 0.0}
    counts.update({(launcher, state): 0.0 for state in (LAUNCHING, RUNNING, STOPPING)})
    query = select(Run.launcher, Run.state, func.count()).where(Run.state != ENDED)
    with db.read() as session:
        for owner, state, count in session.execute(query.group_by(Run.launcher, Run.state)):
            key = ("" if state == WAITING else owner or "", state)
            counts[key] = counts.get(key, 0.0) + count
        others = runs.of_others(session, launcher)
    return {
        "triptych_runs": counts,
        "triptych_runs_of_others": {(name,): float(count) for name, count in others.items()},
    }
