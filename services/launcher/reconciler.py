"""Brings rows and reality together: starts what waits, looks at what runs, stops what must end, tells what has ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import JobFinished, JobLaunched, JobLost
from runtime import log
from runtime.db import unix_now
from runtime.errors import Transient
from services.launcher import runs
from services.launcher.backend import UNKNOWN, InDoubt, Refused, RunSpec, RunState
from services.launcher.exits import explain
from services.launcher.models import LAUNCHING, RUNNING, STOPPING, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.db import Database
    from runtime.outbox import Outbox
    from services.launcher.backend import Backend, RunStatus
    from services.launcher.joblogs import JobLogs

_EXPLAIN_BYTES = 4096  # of a log's end, for a reason
_RETRY_SECONDS, _RETRY_AT_MOST = 5.0, 300.0
_REPEAT_AT_MOST = 60.0  # a run whose launch is in doubt cannot be cancelled until it is settled
_CANCELLED = "cancelled on request"
_SILENT = "exit 0, but the trainer's own report has not arrived: figures and artifacts may be missing"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What the reconciler allows.

    Attributes:
        max_running: Runs at a time.
        launch_seconds: How long one launch may take before another launcher repeats it.
        give_up_seconds: How long a launch is tried while the provider says "not now".
        report_grace_seconds: How long an exited trainer's own report is waited for.
        lost_grace_seconds: How long the provider may not know a run before it is lost.
        linger_seconds: How long a trainer may live on after its final report.
    """

    max_running: int
    launch_seconds: float = 60.0
    give_up_seconds: float = 3600.0
    report_grace_seconds: float = 5.0
    lost_grace_seconds: float = 5.0
    linger_seconds: float = 60.0


class Reconciler:
    """One round at a time. Several launchers may each have one: whoever changes a row first tells of it."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        backend: Backend,
        environment: Callable[[Run], dict[str, str]],
        logs: JobLogs,
        limits: Limits,
    ) -> None:
        self._db = db
        self._outbox = outbox
        self._backend = backend
        self._environment = environment
        self._logs = logs
        self._limits = limits

    def round(self) -> None:
        """Do what is due.

        Raises:
            runtime.errors.Transient: The provider does not answer; what waits was still tried.
        """
        self._start_waiting()
        self._look()

    # --- starting

    def _start_waiting(self) -> None:
        run, in_doubt = self._claim()
        while run is not None:
            with log.bound(**{**run.correlation, "job_id": run.job_id}):
                self._launch(run, in_doubt=in_doubt)
            run, in_doubt = self._claim()

    def _claim(self) -> tuple[Run | None, bool]:
        with self._db.write() as session:
            return runs.claim(
                session,
                self._backend.name,
                max_running=self._limits.max_running,
                seconds=self._limits.launch_seconds,
            )

    def _launch(self, run: Run, *, in_doubt: bool) -> None:
        try:
            spec = RunSpec(
                run.job_id,
                run.attempt,
                self._environment(run),
                run.cpus,
                run.memory_mb,
                launch=run.launch_tries,
                in_doubt=in_doubt,
            )
            handle = self._backend.launch(spec)
        except InDoubt as error:
            self._repeat_later(run, str(error))
        except Transient as error:
            self._postpone(run, str(error))
        except Refused as error:
            self._refuse(run, f"could not be launched: {error}")
        except Exception as error:  # noqa: BLE001 - a defect must end the job with a reason, not stop the others
            _log.exception("cannot launch")
            self._refuse(run, f"could not be launched: {type(error).__name__}: {error}")
        else:
            launched = JobLaunched(
                job_id=run.job_id, attempt=run.attempt, launcher=self._backend.name, handle=handle
            )
            with self._db.write() as session:
                noted = runs.launched(session, run, handle)
                if noted:
                    self._outbox.emit(session, launched)
                row = runs.locked(session, run.job_id, run.attempt)
            if noted:
                _log.info("launched", extra={"handle": handle})
            elif row is not None and row.handle != handle:
                self._stop_stray(handle)

    def _stop_stray(self, handle: str) -> None:
        """Stop what this launcher started while another one, which had taken the launch over, started it anew."""
        _log.warning("started twice", extra={"handle": handle})
        try:
            self._backend.stop(handle, "another launcher has started this attempt")
        except (Transient, Refused):
            _log.exception("cannot stop it; stop it by hand", extra={"handle": handle})

    def _repeat_later(self, run: Run, reason: str) -> None:
        tried_for = unix_now() - (run.first_tried_at or unix_now())
        # As long again as it has taken so far, so that tries grow apart
        pause = min(max(_RETRY_SECONDS, tried_for), _REPEAT_AT_MOST)
        _log.warning("a launch is in doubt", extra={"error": reason, "pause_seconds": pause})
        with self._db.write() as session:
            runs.keep_launching(session, run, pause, reason)

    def _postpone(self, run: Run, reason: str) -> None:
        tried_for = unix_now() - (run.first_tried_at or unix_now())
        if tried_for > self._limits.give_up_seconds:
            self._refuse(run, f"could not be launched in {tried_for:.0f} s: {reason}")
            return
        pause = min(_RETRY_SECONDS * 2 ** (run.launch_tries - 1), _RETRY_AT_MOST)
        _log.warning("cannot launch now", extra={"error": reason, "pause_seconds": pause})
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            cancelled = row is not None and row.cancel_requested
            if not cancelled:
                runs.postpone(session, run, pause, reason)
        if cancelled:
            self._refuse(run, reason)

    def _refuse(self, run: Run, reason: str) -> None:
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != LAUNCHING:
                return
            cancelled = row.cancel_requested
            finished = _finished(
                row,
                Outcome.CANCELLED if cancelled else Outcome.FAILED,
                "cancelled before it was launched" if cancelled else reason,
            )
            runs.end(row, reason=finished.reason)
            self._outbox.emit(session, finished)

    # --- looking

    def _look(self) -> None:
        with self._db.read() as session:
            found = runs.with_process(session, self._backend.name)
        if not found:
            return
        statuses = self._backend.status([run.handle for run in found if run.handle])
        for run in found:
            with log.bound(**{**run.correlation, "job_id": run.job_id}):
                try:
                    self._settle(run, statuses.get(run.handle or "", UNKNOWN))
                except Transient as error:
                    _log.warning("will try again", extra={"error": str(error)})
                except Exception:  # noqa: BLE001 - one run must not hold up the others
                    _log.exception("cannot settle a run")

    def _settle(self, run: Run, status: RunStatus) -> None:
        if status.state in (RunState.PENDING, RunState.RUNNING):
            if run.gone_at is not None:
                self._set_gone(run, None)
            self._stop_if_due(run, status)
            return
        if run.gone_at is None:
            self._set_gone(run, unix_now())
        limits = self._limits
        grace = limits.report_grace_seconds if status.state == RunState.EXITED else limits.lost_grace_seconds
        if run.reported or unix_now() - (run.gone_at or unix_now()) >= grace:
            self._end(run, status)

    def _set_gone(self, run: Run, at: float | None) -> None:
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is not None:
                row.gone_at = run.gone_at = at

    def _stop_if_due(self, run: Run, status: RunStatus) -> None:
        reason = run.stop_reason or self._why_stop(run, status)
        if reason is None or run.handle is None:
            return
        if run.state == RUNNING:
            self._set_stopping(run, reason)
        # Asked for again every round, in case the provider lost it
        self._backend.stop(run.handle, reason)

    def _why_stop(self, run: Run, status: RunStatus) -> str | None:
        if run.cancel_requested:
            return _CANCELLED
        if run.reported_at is not None and unix_now() - run.reported_at > self._limits.linger_seconds:
            return "lived on after its final report"
        started_at = status.started_at or run.launched_at
        if started_at is not None and unix_now() - started_at.timestamp() > run.max_seconds:
            return (
                f"stopped after {run.max_seconds} s, the longest it may run; raise max_seconds or train less"
            )
        return None

    def _set_stopping(self, run: Run, reason: str) -> None:
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != RUNNING:
                return
            row.state, row.stop_reason = STOPPING, reason
            if not (row.cancel_requested or row.reported):
                # Out of time. Told before the trainer can, which would only know that it was stopped
                row.reported, row.reported_at = True, unix_now()
                self._outbox.emit(session, _finished(run, Outcome.TIMED_OUT, reason))

    # --- ending

    def _end(self, run: Run, status: RunStatus) -> None:
        self._logs.copy(run)
        self._forget(run)
        told = self._verdict(run, status)
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state not in (RUNNING, STOPPING):
                return
            runs.end(row, status.exit_code, told.reason)
            if not row.reported:
                row.reported = True
                self._outbox.emit(session, told)
        _log.info("ended", extra={"exit_code": status.exit_code, "reason": told.reason})

    def _forget(self, run: Run) -> None:
        try:
            self._backend.forget(run.job_id, run.attempt)
        except (Transient, Refused) as error:
            _log.warning("cannot remove what a run had read", extra={"error": str(error)})

    def _verdict(self, run: Run, status: RunStatus) -> JobFinished | JobLost:
        if status.state == RunState.EXITED and status.exit_code == 0:
            return _finished(run, Outcome.SUCCEEDED, _SILENT)
        if run.cancel_requested:
            return _finished(run, Outcome.CANCELLED, _CANCELLED)
        if run.stop_reason:
            return _finished(run, Outcome.TIMED_OUT, run.stop_reason)
        if status.state == RunState.UNKNOWN:
            reason = f"lost: {self._backend.name} no longer knows {run.handle}; it may have been removed by hand, or its machine died. Retry it"
            return JobLost(job_id=run.job_id, attempt=run.attempt, reason=reason)
        tail = self._backend.logs(run.handle or "", _EXPLAIN_BYTES)
        outcome, reason = explain(status, tail)
        return _finished(run, outcome, reason)


def _finished(run: Run, outcome: Outcome, reason: str) -> JobFinished:
    return JobFinished(job_id=run.job_id, attempt=run.attempt, outcome=outcome, reason=reason)
