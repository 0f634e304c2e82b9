"""What to do about a run, from its row, what its provider says and the clock. Nothing here is changed or asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.callback import Outcome
from contracts.events import EndCause
from services.launcher.backend import RunState

if TYPE_CHECKING:
    from services.launcher.backend import RunStatus
    from services.launcher.models import Run

CANCELLED = "cancelled on request"


@dataclass(frozen=True)
class Limits:
    """What the reconciler allows.

    Attributes:
        max_running: Runs at a time.
        launch_seconds: How long one launch may take before another launcher repeats it.
        give_up_seconds: How long a launch is tried while the provider says "not now", and how long a run may be pending.
        report_grace_seconds: How long an exited trainer's own report is waited for.
        lost_grace_seconds: How long the provider may not know a run before it can be lost.
        linger_seconds: How long a trainer may live on after its final report.
        stray_seconds: How long a run that ended while its provider did not know it is looked for, and stopped.
        at_a_time: Launches at a time, and ends that are settled at a time.
    """

    max_running: int
    launch_seconds: float = 60.0
    give_up_seconds: float = 3600.0
    report_grace_seconds: float = 5.0
    lost_grace_seconds: float = 5.0
    linger_seconds: float = 60.0
    stray_seconds: float = 86_400.0
    at_a_time: int = 1


@dataclass(frozen=True)
class Stop:
    """Why a run must end, and the outcome that is told of its attempt."""

    reason: str
    outcome: Outcome
    cause: EndCause | None = None


def began_at(run: Run, status: RunStatus) -> float | None:
    """Give the moment (Unix seconds) from which a run's time counts: when its trainer began, not when it was asked for."""
    if run.started_at is not None or status.state is RunState.PENDING:
        return run.started_at
    started_at = status.started_at or run.launched_at
    return started_at.timestamp() if started_at else None


def why_stop(run: Run, status: RunStatus, limits: Limits, clock: float) -> Stop | None:
    """Say why a run that the provider has alive must be stopped; None where it may go on."""
    if run.cancel_requested:
        return Stop(CANCELLED, Outcome.CANCELLED)
    if run.reported_at is not None and clock - run.reported_at > limits.linger_seconds:
        return Stop("lived on after its final report", Outcome.FAILED)
    began = began_at(run, status)
    if began is None:
        return _never_began(run, status, limits, clock)
    return _out_of_time(run, clock - began) or _hung(run, clock - heard_at(run, clock, began))


def _never_began(run: Run, status: RunStatus, limits: Limits, clock: float) -> Stop | None:
    waited = clock - run.launched_at.timestamp() if run.launched_at else 0.0
    if waited <= limits.give_up_seconds:
        return None
    told = f": {status.detail}" if status.detail else ""
    return Stop(f"did not begin to run within {waited:.0f} s{told}", Outcome.FAILED, EndCause.CAPACITY)


def _out_of_time(run: Run, seconds: float) -> Stop | None:
    if seconds <= run.max_seconds - run.ran_seconds:
        return None
    over = " over all its attempts" if run.ran_seconds else ""
    reason = (
        f"stopped after {run.max_seconds} s{over}, the longest it may run; raise max_seconds or train less"
    )
    return Stop(reason, Outcome.TIMED_OUT)


def _hung(run: Run, quiet: float) -> Stop | None:
    if not run.max_idle_seconds or run.everyone_silent or quiet <= run.max_idle_seconds:
        return None
    reason = (
        f"hung: the provider says that it runs, but nothing was heard of it for {quiet:.0f} s, and max_idle_seconds"
        f" is {run.max_idle_seconds}. Either it is stuck, or it cannot reach TRAINER_API_BASE"
    )
    return Stop(reason, Outcome.FAILED, EndCause.HUNG)


def is_over(run: Run, status: RunStatus, limits: Limits, clock: float, wall: float) -> bool:
    """Tell whether a run has ended for good that the provider says has exited, or does not know.

    A provider may not know a run that is well, for a moment or by mistake; so one it does not know is over only when it
    has told its end, must end anyway, or is not heard either. Where nobody can say whether it is heard, because the
    metrics service is away, that is waited for.

    Args:
        run: Its row.
        status: What the provider says.
        limits: What is allowed.
        clock: By which it is judged, Unix seconds.
        wall: What the system's clock shows, which tells whether what was said of its silence is old; not less than `clock`.
    """
    gone_for = clock - (run.gone_at or clock)
    if status.state is RunState.EXITED:
        return run.reported or gone_for >= limits.report_grace_seconds
    if gone_for < limits.lost_grace_seconds:
        return False
    return run.reported or run.cancel_requested or run.silent_until > wall


def heard_at(run: Run, clock: float, began: float) -> float:
    """Give the moment at which a run that began then was heard last; the present where nobody says that it is silent."""
    told = run.silent_since is not None and run.silent_until > clock
    return max(run.silent_since or began, began) if told else clock


def ran_for(run: Run, clock: float) -> float:
    """Give how long a run has run, seconds."""
    return max(0.0, (run.gone_at or clock) - run.started_at) if run.started_at is not None else 0.0
