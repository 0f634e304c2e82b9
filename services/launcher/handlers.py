"""What the launcher does on each event of its queue. It only changes rows; the reconciler talks to the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import EndCause, JobCancelRequested, JobFinished, JobLaunchRequested, JobSilent
from runtime.db import unix_now
from services.launcher import runs
from services.launcher.models import ENDED, WAITING, Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.bus import Work


class Handlers:
    """Handlers by event name."""

    def __init__(self, start: Callable[[], None], look: Callable[[], None]) -> None:
        """Take what makes the reconciler start what waits, or look at what runs, at once instead of at its next turn."""
        self._start = start
        self._look = look

    def table(self) -> dict[str, Callable[[Any, Work], None]]:
        """Give the handler of each event on the launcher's queue."""
        return {
            JobLaunchRequested.NAME: self.launch_requested,
            JobCancelRequested.NAME: self.cancel_requested,
            JobSilent.NAME: self.job_silent,
            JobFinished.NAME: self.job_finished,
        }

    def launch_requested(self, event: JobLaunchRequested, work: Work) -> None:
        """Queue the attempt."""
        with work.finish() as session:
            runs.request(session, event)
        self._start()

    def cancel_requested(self, event: JobCancelRequested, work: Work) -> None:
        """End an attempt that waits; ask for the end of one that runs."""
        with work.finish() as session:
            run = runs.locked(session, event.job_id, event.attempt)
            if run is None:
                # Overtook the launch request, which this row will stop
                run = runs.add(session, Run(job_id=event.job_id, attempt=event.attempt, state=WAITING))
            if run.state == WAITING:
                runs.end(run, reason="cancelled before it was launched")
                work.outbox.emit(
                    session,
                    JobFinished(
                        job_id=event.job_id,
                        attempt=event.attempt,
                        outcome=Outcome.CANCELLED,
                        reason="cancelled before it was launched",
                    ),
                )
            run.cancel_requested = True
        self._look()

    def job_silent(self, event: JobSilent, work: Work) -> None:
        """Keep that nothing is heard of an attempt; what follows from it depends on what the provider says."""
        with work.finish() as session:
            run = runs.locked(session, event.job_id, event.attempt)
            if run is not None and run.state != ENDED:
                runs.note_silence(run, event)

    def job_finished(self, event: JobFinished, work: Work) -> None:
        """Note that the attempt's end has been told, unless its trainer was stopped and nobody has said why yet."""
        with work.finish() as session:
            run = runs.locked(session, event.job_id, event.attempt)
            if run is None or run.state == ENDED:
                return
            why_unknown = event.outcome is Outcome.CANCELLED and event.cause is EndCause.INTERRUPTED
            if why_unknown and not run.cancel_requested:
                return  # the provider knows more, and is asked
            if run.state == WAITING:
                runs.end(run, reason=event.reason)
            if not run.reported:
                run.reported, run.reported_at = True, unix_now()
