"""What stops a command: one line for the person, and the exit status it ends in."""

from __future__ import annotations

from client.errors import ApiError, Away, BrokenOff, HalfSent, Refused, StoreAway

FAILED, UNREACHABLE, REFUSED, SERVER_ERROR = 1, 3, 4, 5
_REFUSED, _DEFECT = 300, 500  # HTTP statuses from which on an answer is no success, and the platform's fault


class CommandFailed(Exception):
    """A command cannot go on; the text is one line for the person."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


def status_of(error: ApiError) -> int:
    """Give the exit status that a call's error ends a command in."""
    if error.status >= _DEFECT:
        return SERVER_ERROR
    if error.status >= _REFUSED:
        return REFUSED
    return FAILED if error.status else UNREACHABLE


def told(error: ApiError) -> str:
    """Put a call's error into a line for whoever typed the command."""
    if isinstance(error, Refused):
        return f"{error} (HTTP {error.status})"
    return _away(error) if isinstance(error, Away) else str(error)


def _away(error: Away) -> str:
    if isinstance(error, HalfSent):
        there = f"{error.sent} of {error.length} bytes are there"
        return f"{told(error.last)} {there}. Give the same command again to go on."
    if isinstance(error, StoreAway):
        return str(error)
    if isinstance(error, BrokenOff):
        return f"The connection to {error.url} broke off: {error.cause}"
    if not error.status:
        return f"Nothing answers at {error.url} ({error.cause}). Start it with: triptych up"
    if error.status < _REFUSED:
        return f"{error.url} answers with something that is not JSON; is it Triptych?"
    return f"{error.cause} (HTTP {error.status})"
