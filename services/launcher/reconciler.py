"""Brings rows and reality together: looks at what runs, stops what must end, and has told what has ended."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from runtime import log
from runtime.db import unix_now
from runtime.errors import Transient
from services.launcher import runs
from services.launcher.backend import Refused, RunState
from services.launcher.models import ENDED, RUNNING, STOPPING
from services.launcher.verdicts import began_at, is_over, why_stop

if TYPE_CHECKING:
    from collections.abc import Collection

    from runtime.db import Database
    from services.launcher.backend import Backend, RunStatus
    from services.launcher.clock import Clock
    from services.launcher.endings import Endings
    from services.launcher.forgetting import Forgetting
    from services.launcher.joblogs import JobLogs
    from services.launcher.models import Run
    from services.launcher.verdicts import Limits, Stop

_STRAY = "its job ended while the provider did not know it"
_log = logging.getLogger(__name__)


class Reconciler:
    """Looking, once at a time. Several launchers may each have one: whoever changes a row first has it told."""

    def __init__(
        self,
        db: Database,
        backend: Backend,
        logs: JobLogs,
        endings: Endings,
        forgetting: Forgetting,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._db = db
        self._backend = backend
        self._logs = logs
        self._endings = endings
        self._forgetting = forgetting
        self._limits = limits
        self._clock = clock

    def look(self, handles: Collection[str] | None = None) -> None:
        """Look at what runs, or at some of it alone.

        Raises:
            runtime.errors.Transient: The provider does not answer.
        """
        with self._db.read() as session:
            found = [
                *runs.with_process(session, self._backend.name, handles),
                *runs.strays(session, self._backend.name, handles),
            ]
        if found:
            statuses = self._backend.status([run.handle for run in found if run.handle])
            # One of which the provider says nothing is looked at the next time
            told = [(run, statuses[run.handle]) for run in found if run.handle and run.handle in statuses]
            # An end takes several calls of provider and store: one after another, many would hold up the look at all others
            with ThreadPoolExecutor(self._limits.at_a_time) as pool:
                list(pool.map(lambda pair: self._settle_bound(*pair), told))
        self._clock.tidy()
        self._forgetting.again()

    def _settle_bound(self, run: Run, status: RunStatus) -> None:
        with log.bound(**{**run.correlation, "job_id": run.job_id}):
            try:
                self._settle(run, status)
            except Transient as error:
                _log.warning("will try again", extra={"error": str(error)})
            except Exception:  # noqa: BLE001 - one run must not hold up the others
                _log.exception("cannot settle a run")

    def _settle(self, run: Run, status: RunStatus) -> None:
        if run.state == ENDED:
            self._settle_stray(run, status)
            return
        if status.state in (RunState.PENDING, RunState.RUNNING):
            self._note(run, status, gone_at=None)
            self._stop_if_due(run, status)
            return
        clock = self._clock.of(run.id)
        # Not later than now, or where the clock was set back it would not be over for as long
        self._note(run, status, gone_at=min(run.gone_at or clock, clock))
        if is_over(run, status, self._limits, clock, self._clock.now()):
            if status.state is RunState.UNKNOWN:
                self._stop_unknown(run)
            self._end(run, status)

    def _stop_unknown(self, run: Run) -> None:
        """Stop what its provider does not know: it may still, as where only the machine is cut off. If not, it is a stray."""
        try:
            self._backend.stop(run.handle or "", run.stop_reason or "its job has ended")
        except (Transient, Refused) as error:
            _log.warning("cannot stop a run that its provider does not know", extra={"error": str(error)})

    def _settle_stray(self, run: Run, status: RunStatus) -> None:
        """See whether a run lives that ended while its provider did not know it; if so, it is one to be stopped again."""
        if status.state is RunState.UNKNOWN:
            return
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != ENDED:
                return
            if status.state is RunState.EXITED:
                row.stray_until = None
                return
            runs.reopen(row, _STRAY)
        _log.warning("a run lives that had ended", extra={"handle": run.handle})
        self._backend.stop(run.handle or "", _STRAY)

    def _note(self, run: Run, status: RunStatus, gone_at: float | None) -> None:
        """Keep when the trainer began to run, and since when it no longer does."""
        started_at = run.started_at or began_at(run, status)
        if (started_at, gone_at) == (run.started_at, run.gone_at):
            return
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is not None:
                row.started_at, row.gone_at = run.started_at, run.gone_at = started_at, gone_at

    def _stop_if_due(self, run: Run, status: RunStatus) -> None:
        if run.handle is None:
            return
        reason = run.stop_reason
        if reason is None:
            stop = why_stop(run, status, self._limits, self._clock.of(run.id))
            if stop is None:
                return
            reason = stop.reason
            self._set_stopping(run, stop)
        # Asked for again every round, in case the provider lost it
        self._backend.stop(run.handle, reason)

    def _set_stopping(self, run: Run, stop: Stop) -> None:
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != RUNNING:
                return
            row.state, row.stop_reason = STOPPING, stop.reason
            if not row.cancel_requested:
                # Told before the trainer can, which would only know that it was stopped
                self._endings.tell(
                    session, row, self._endings.finished(run, stop.outcome, stop.reason, stop.cause)
                )

    def _end(self, run: Run, status: RunStatus) -> None:
        self._logs.copy(run)
        self._forgetting.forget(run.job_id, run.attempt)
        told = self._endings.verdict(run, status)
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state not in (RUNNING, STOPPING):
                return
            runs.end(row, status.exit_code, told.reason)
            unknown = status.state is RunState.UNKNOWN
            row.stray_until = unix_now() + self._limits.stray_seconds if unknown else None
            self._endings.tell(session, row, told)
        _log.info("ended", extra={"exit_code": status.exit_code, "reason": told.reason})
