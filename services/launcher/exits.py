"""How a run ended, in words that its owner can act on."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from contracts.callback import Outcome
from contracts.events import EndCause
from services.launcher.backend import Cause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.launcher.backend import RunStatus

_LINES, _CHARACTERS = 5, 1500  # of the log, in a reason
# Codes of the trainer (trainer/errors.py; 64 is EX_USAGE of sysexits.h, 75 EX_TEMPFAIL, 124 that of timeout(1)) and of shells and container runtimes
_MEANINGS = {
    1: "the trainer failed with an unexpected error",
    2: "the data cannot be trained on",
    3: "the model's own code failed",
    4: "the platform had ended this attempt before",
    5: "out of memory",
    64: "settings refused",
    75: "the object store did not answer",
    124: "stopped by itself, after longer than it may run",
    126: "the trainer's command may not be executed",
    127: "the trainer's command does not exist",
    130: "interrupted",
    128 + signal.SIGXCPU: "it used all the processor time it may (TRAINER_CPU_SECONDS)",
}
_BY_CAUSE = {
    Cause.NEVER_STARTED: EndCause.NEVER_STARTED,
    Cause.NO_CAPACITY: EndCause.CAPACITY,
    Cause.RECLAIMED: EndCause.RECLAIMED,
    Cause.STOPPED: EndCause.STOPPED,
    Cause.OUT_OF_MEMORY: EndCause.OUT_OF_MEMORY,
}
_BY_CODE = {
    2: EndCause.DATA,
    4: EndCause.STOPPED,
    5: EndCause.OUT_OF_MEMORY,
    64: EndCause.SETTINGS,
    75: EndCause.STORE,
    126: EndCause.NEVER_STARTED,
    127: EndCause.NEVER_STARTED,
    128 + signal.SIGINT: EndCause.INTERRUPTED,
    128 + signal.SIGTERM: EndCause.INTERRUPTED,
    128 + signal.SIGKILL: EndCause.OUT_OF_MEMORY,
}


def cause_of(status: RunStatus) -> EndCause | None:
    """Tell why a run ended that nobody had asked to stop; None where it ended well, or was out of time."""
    if status.cause is not Cause.EXIT:
        return _BY_CAUSE[status.cause]
    match status.exit_code:
        case None:
            return EndCause.LOST  # nobody knows how it ended
        case 0 | 124:
            return None
        case code:
            return _BY_CODE.get(code, EndCause.CODE)


def explain(status: RunStatus, tail: Sequence[str]) -> tuple[Outcome, str]:
    """Tell how a run ended that nobody had asked to stop.

    Args:
        status: What the provider says of it.
        tail: The last lines of its output.
    """
    match status.cause:
        case Cause.NEVER_STARTED:
            return Outcome.FAILED, f"never started: {status.detail or 'the provider does not say why'}"
        case Cause.NO_CAPACITY:
            return Outcome.FAILED, f"the provider had no machine for it; retry it ({status.detail})"
        case Cause.RECLAIMED:
            return (
                Outcome.FAILED,
                f"the provider took the machine back ({status.detail or 'it does not say why'})",
            )
        case Cause.STOPPED:
            return Outcome.FAILED, f"stopped at the provider, not by this platform: {status.detail}"
        case Cause.OUT_OF_MEMORY:
            return Outcome.FAILED, f"{_code(status)}out of memory{_limit(status)}"
        case Cause.EXIT:
            return _by_code(status, tail)


def _by_code(status: RunStatus, tail: Sequence[str]) -> tuple[Outcome, str]:
    code = status.exit_code
    if code is None:
        return (
            Outcome.FAILED,
            f"ended without an exit code: {status.detail or 'the provider does not say why'}",
        )
    if code == 0:
        return Outcome.SUCCEEDED, ""
    if code == 128 + signal.SIGKILL:
        return Outcome.FAILED, f"exit 137: killed, probably out of memory{_limit(status)}"
    if code == 128 + signal.SIGTERM:
        reason = "stopped by SIGTERM, but nobody cancelled the job: its machine was shut down, or someone killed it"
        return Outcome.FAILED, f"exit {code}: {reason}"
    meaning = _MEANINGS.get(code) or _signal(code) or "the trainer failed"
    last = " | ".join(_plain(line) for line in tail[-_LINES:] if line.strip()) if code == 64 else _last(tail)  # noqa: PLR2004 - EX_USAGE, as in the table above
    outcome = Outcome.TIMED_OUT if code == 124 else Outcome.FAILED  # noqa: PLR2004 - as above
    return outcome, f"exit {code}: {meaning}{f': {last}' if last else ''}"[:_CHARACTERS]


def _code(status: RunStatus) -> str:
    return "" if status.exit_code is None else f"exit {status.exit_code}: "


def _limit(status: RunStatus) -> str:
    if status.memory_mb is not None:
        return f" at {status.memory_mb} MB; try {2 * status.memory_mb}"
    used = f" (it had used {status.peak_memory_mb} MB)" if status.peak_memory_mb else ""
    return f" of this machine{used}; try a smaller BATCH_SIZE, or fewer jobs at once"


def _signal(code: int) -> str:
    try:
        name = signal.Signals(code - 128).name
    except ValueError:
        return ""
    return f"killed by {name}"


def _last(tail: Sequence[str]) -> str:
    """Give the last error of a log in JSON, else its last line."""
    written = [line for line in tail if line.strip()]
    errors = [line for line in written if _record(line).get("level") in ("ERROR", "CRITICAL")]
    return _plain((errors or written or [""])[-1])


def _plain(line: str) -> str:
    """Take the message out of a JSON log line; any other line is itself."""
    return str(_record(line).get("message", line)).strip()


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
