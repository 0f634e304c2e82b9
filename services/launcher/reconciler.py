"""Brings rows and reality together: starts what waits, looks at what runs, stops what must end, tells what has ended."""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import UNHEARD, EndCause, JobFinished, JobLaunched, JobLost
from runtime import log
from runtime.db import unix_now
from runtime.errors import Transient
from services.launcher import runs
from services.launcher.backend import InDoubt, Refused, RunSpec, RunState
from services.launcher.exits import cause_of, explain
from services.launcher.forgetting import Forgetting
from services.launcher.models import ENDED, LAUNCHING, RUNNING, STOPPING, Run
from services.launcher.verdicts import CANCELLED, began_at, is_over, ran_for, why_stop

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from concurrent.futures import Future

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from runtime.outbox import Outbox
    from services.launcher.backend import Backend, RunStatus
    from services.launcher.clock import Clock
    from services.launcher.joblogs import JobLogs
    from services.launcher.results import Results
    from services.launcher.verdicts import Limits, Stop

_EXPLAIN_BYTES = 4096  # of a log's end, for a reason
_TROUBLE_CHARACTERS = 200  # of why there is none
_RETRY_SECONDS, _RETRY_AT_MOST = 5.0, 300.0
# A run whose launch is in doubt may be running, and cannot be stopped until that is settled
_REPEAT_AT_MOST = 60.0
_START_SECONDS = 10.0  # then whoever starts tells that it is alive
_SILENT = "exit 0, but the trainer's own report has not arrived: figures may be missing"
_STRAY = "its job ended while the provider did not know it"
_log = logging.getLogger(__name__)


class Reconciler:
    """Starting and looking, each once at a time. Several launchers may each have one: whoever changes a row first tells of it."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        backend: Backend,
        environment: Callable[[Run], dict[str, str]],
        logs: JobLogs,
        results: Results,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._db = db
        self._outbox = outbox
        self._backend = backend
        self._environment = environment
        self._logs = logs
        self._results = results
        self._limits = limits
        self._clock = clock
        self._forgetting = Forgetting(backend)

    # --- starting

    def start_waiting(self) -> bool:
        """Start what may start, several at a time.

        Returns:
            Whether it stopped for the time it took, and more may start.
        """
        give_up_at = time.monotonic() + _START_SECONDS
        launching: set[Future[None]] = set()
        with ThreadPoolExecutor(self._limits.at_a_time) as pool:
            while in_time := time.monotonic() < give_up_at:
                run, in_doubt = self._claim()
                if run is None:
                    break
                launching.add(pool.submit(self._launch_bound, run, in_doubt))
                if (
                    len(launching) >= self._limits.at_a_time
                ):  # what is claimed and waits here nobody else can start
                    done, launching = wait(launching, return_when=FIRST_COMPLETED)
                    _raise_errors(done)
        _raise_errors(launching)
        return not in_time

    def _claim(self) -> tuple[Run | None, bool]:
        with self._db.write() as session:
            return runs.claim(
                session,
                self._backend.name,
                max_running=self._limits.max_running,
                seconds=self._limits.launch_seconds,
            )

    def _launch_bound(self, run: Run, in_doubt: bool) -> None:  # noqa: FBT001 - as it was claimed
        with log.bound(**{**run.correlation, "job_id": run.job_id}):
            self._launch(run, in_doubt=in_doubt)

    def _launch(self, run: Run, *, in_doubt: bool) -> None:
        self._clock.of(run.id)  # from here on it is watched
        try:
            spec = RunSpec(
                run.job_id,
                run.attempt,
                self._environment(run),
                run.cpus,
                run.memory_mb,
                max_seconds=run.max_seconds,
                launch=run.launch_tries,
                in_doubt=in_doubt,
            )
            handle = self._backend.launch(spec)
        except Transient as error:
            self._postpone(run, str(error), in_doubt=isinstance(error, InDoubt))
        except Refused as error:
            self._refuse(run, f"could not be launched: {error}")
        except Exception as error:  # noqa: BLE001 - a defect must end the job with a reason, not stop the others
            _log.exception("cannot launch")
            reason = f"{type(error).__name__}: {error}"
            if in_doubt:  # and says nothing about what may run
                self._postpone(run, reason, in_doubt=True)
            else:
                self._refuse(run, f"could not be launched: {reason}")
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

    def _postpone(self, run: Run, reason: str, *, in_doubt: bool) -> None:
        clock = self._clock.of(run.id)
        tried_for = max(0.0, clock - (run.first_tried_at or clock))
        if in_doubt:
            # As long again as it has taken so far, so that tries grow apart
            pause = min(max(_RETRY_SECONDS, tried_for), _REPEAT_AT_MOST)
        else:
            pause = min(_RETRY_SECONDS * 2 ** (run.launch_tries - 1), _RETRY_AT_MOST)
        _log.warning(
            "cannot launch now", extra={"error": reason, "in_doubt": in_doubt, "pause_seconds": pause}
        )
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != LAUNCHING:
                return
            end = None
            if row.cancel_requested:
                end = self._unlaunched(row)
            elif tried_for > self._limits.give_up_seconds:
                reason = f"could not be launched in {tried_for:.0f} s: {reason}"
                end = self._finished(row, Outcome.FAILED, reason, EndCause.CAPACITY)
            if end is not None:
                self._tell(session, row, end)
            if end is not None and not in_doubt:
                runs.end(row, reason=end.reason)
            else:
                # Even one that is told to have ended: only its handle can tell whether there is something to stop
                runs.postpone(row, pause, reason, in_doubt=in_doubt)
                return
        self._forgetting.forget(run.job_id, run.attempt)

    def _refuse(self, run: Run, reason: str) -> None:
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state != LAUNCHING:
                return
            end = (
                self._unlaunched(row)
                if row.cancel_requested
                else self._finished(row, Outcome.FAILED, reason, EndCause.NEVER_STARTED)
            )
            runs.end(row, reason=end.reason)
            self._tell(session, row, end)
        self._forgetting.forget(run.job_id, run.attempt)

    def _tell(self, session: Session, row: Run, end: JobFinished | JobLost) -> None:
        """Tell how an attempt ended whose row is locked, unless that was told before."""
        if not row.reported:
            row.reported, row.reported_at = True, unix_now()
            self._outbox.emit(session, end)

    # --- looking

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
                self._tell(session, row, self._finished(run, stop.outcome, stop.reason, stop.cause))

    # --- ending

    def _end(self, run: Run, status: RunStatus) -> None:
        self._logs.copy(run)
        self._forgetting.forget(run.job_id, run.attempt)
        told = self._verdict(run, status)
        with self._db.write() as session:
            row = runs.locked(session, run.job_id, run.attempt)
            if row is None or row.state not in (RUNNING, STOPPING):
                return
            runs.end(row, status.exit_code, told.reason)
            unknown = status.state is RunState.UNKNOWN
            row.stray_until = unix_now() + self._limits.stray_seconds if unknown else None
            self._tell(session, row, told)
        _log.info("ended", extra={"exit_code": status.exit_code, "reason": told.reason})

    def _verdict(self, run: Run, status: RunStatus) -> JobFinished | JobLost:
        went_well = status.state == RunState.EXITED and status.exit_code == 0
        if went_well and (run.reported or self._results.are_stored(run.job_id, run.attempt)):
            return self._finished(run, Outcome.SUCCEEDED, _SILENT)
        if run.cancel_requested:
            return self._finished(run, Outcome.CANCELLED, CANCELLED)
        if status.state == RunState.UNKNOWN:
            reason = f"lost: {self._backend.name} no longer knows {run.handle}, and nothing is heard of it; it may have been removed by hand, or its machine died"
            ran = ran_for(run, self._clock.of(run.id))
            return JobLost(job_id=run.job_id, attempt=run.attempt, reason=reason, ran_seconds=ran)
        if went_well:
            return self._finished(run, Outcome.FAILED, UNHEARD, EndCause.CODE)
        tail, trouble = self._tail(run)
        outcome, reason = explain(status, tail)
        return self._finished(run, outcome, reason + trouble, cause_of(status))

    def _tail(self, run: Run) -> tuple[list[str], str]:
        """Give the end of a run's log; where it cannot be read, nothing and a note of that, for no end may wait for a log."""
        try:
            return self._backend.logs(run.handle or "", _EXPLAIN_BYTES), ""
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("cannot read a log", extra={"error": str(error)})
            return [], f" (its log could not be read: {str(error)[:_TROUBLE_CHARACTERS]})"

    def _unlaunched(self, run: Run) -> JobFinished:
        return self._finished(run, Outcome.CANCELLED, "cancelled before it was launched")

    def _finished(
        self, run: Run, outcome: Outcome, reason: str, cause: EndCause | None = None
    ) -> JobFinished:
        return JobFinished(
            job_id=run.job_id,
            attempt=run.attempt,
            outcome=outcome,
            reason=reason,
            cause=cause,
            ran_seconds=ran_for(run, self._clock.of(run.id)),
        )


def _raise_errors(launches: Iterable[Future[None]]) -> None:
    for launch in launches:
        launch.result()
