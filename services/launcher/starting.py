"""Starts what waits for its launch, as far as there is room and the provider lets it."""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import EndCause, JobLaunched
from runtime import log
from runtime.errors import Transient
from services.launcher import runs
from services.launcher.backend import InDoubt, Refused, RunSpec
from services.launcher.models import LAUNCHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from runtime.db import Database
    from runtime.outbox import Outbox
    from services.launcher.backend import Backend
    from services.launcher.clock import Clock
    from services.launcher.endings import Endings
    from services.launcher.forgetting import Forgetting
    from services.launcher.models import Run
    from services.launcher.verdicts import Limits

_RETRY_SECONDS, _RETRY_AT_MOST = 5.0, 300.0
# A run whose launch is in doubt may be running, and cannot be stopped until that is settled
_REPEAT_AT_MOST = 60.0
_START_SECONDS = 10.0  # then whoever starts tells that it is alive
_log = logging.getLogger(__name__)


class Starter:
    """Starting, once at a time. Several launchers may each have one: a claim in the database keeps them apart."""

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        backend: Backend,
        environment: Callable[[Run], dict[str, str]],
        endings: Endings,
        forgetting: Forgetting,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._db = db
        self._outbox = outbox
        self._backend = backend
        self._environment = environment
        self._endings = endings
        self._forgetting = forgetting
        self._limits = limits
        self._clock = clock

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
                end = self._endings.unlaunched(row)
            elif tried_for > self._limits.give_up_seconds:
                reason = f"could not be launched in {tried_for:.0f} s: {reason}"
                end = self._endings.finished(row, Outcome.FAILED, reason, EndCause.CAPACITY)
            if end is not None:
                self._endings.tell(session, row, end)
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
                self._endings.unlaunched(row)
                if row.cancel_requested
                else self._endings.finished(row, Outcome.FAILED, reason, EndCause.NEVER_STARTED)
            )
            runs.end(row, reason=end.reason)
            self._endings.tell(session, row, end)
        self._forgetting.forget(run.job_id, run.attempt)


def _raise_errors(launches: Iterable[Future[None]]) -> None:
    for launch in launches:
        launch.result()
