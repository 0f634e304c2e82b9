"""How an attempt ended, and telling it: once, whoever finds out first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import UNHEARD, EndCause, JobFinished, JobLost
from runtime.db import unix_now
from services.launcher.backend import RunState
from services.launcher.exits import cause_of, explain
from services.launcher.verdicts import CANCELLED, ran_for

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.outbox import Outbox
    from services.launcher.backend import Backend, RunStatus
    from services.launcher.clock import Clock
    from services.launcher.models import Run
    from services.launcher.results import Results

_EXPLAIN_BYTES = 4096  # of a log's end, for a reason
_TROUBLE_CHARACTERS = 200  # of why there is none
_SILENT = "exit 0, but the trainer's own report has not arrived: figures may be missing"
_log = logging.getLogger(__name__)


class Endings:
    """The events that end attempts, from what the provider, its logs and the store say."""

    def __init__(self, outbox: Outbox, backend: Backend, results: Results, clock: Clock) -> None:
        self._outbox = outbox
        self._backend = backend
        self._results = results
        self._clock = clock

    def tell(self, session: Session, row: Run, end: JobFinished | JobLost) -> None:
        """Tell how an attempt ended whose row is locked, unless that was told before."""
        if not row.reported:
            row.reported, row.reported_at = True, unix_now()
            self._outbox.emit(session, end)

    def verdict(self, run: Run, status: RunStatus) -> JobFinished | JobLost:
        """Say how a run ended that is over by what its provider says.

        Raises:
            Transient: The store does not tell whether there are results.
        """
        went_well = status.state == RunState.EXITED and status.exit_code == 0
        if went_well and (run.reported or self._results.are_stored(run.job_id, run.attempt)):
            return self.finished(run, Outcome.SUCCEEDED, _SILENT)
        if run.cancel_requested:
            return self.finished(run, Outcome.CANCELLED, CANCELLED)
        if status.state == RunState.UNKNOWN:
            reason = f"lost: {self._backend.name} no longer knows {run.handle}, and nothing is heard of it; it may have been removed by hand, or its machine died"
            ran = ran_for(run, self._clock.of(run.id))
            return JobLost(job_id=run.job_id, attempt=run.attempt, reason=reason, ran_seconds=ran)
        if went_well:
            return self.finished(run, Outcome.FAILED, UNHEARD, EndCause.CODE)
        tail, trouble = self._tail(run)
        outcome, reason = explain(status, tail)
        return self.finished(run, outcome, reason + trouble, cause_of(status))

    def _tail(self, run: Run) -> tuple[list[str], str]:
        """Give the end of a run's log; where it cannot be read, nothing and a note of that, for no end may wait for a log."""
        try:
            return self._backend.logs(run.handle or "", _EXPLAIN_BYTES), ""
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("cannot read a log", extra={"error": str(error)})
            return [], f" (its log could not be read: {str(error)[:_TROUBLE_CHARACTERS]})"

    def unlaunched(self, run: Run) -> JobFinished:
        """Make the end of one that was cancelled while it waited."""
        return self.finished(run, Outcome.CANCELLED, "cancelled before it was launched")

    def finished(self, run: Run, outcome: Outcome, reason: str, cause: EndCause | None = None) -> JobFinished:
        """Make an end of which the platform knows the outcome."""
        return JobFinished(
            job_id=run.job_id,
            attempt=run.attempt,
            outcome=outcome,
            reason=reason,
            cause=cause,
            ran_seconds=ran_for(run, self._clock.of(run.id)),
        )
