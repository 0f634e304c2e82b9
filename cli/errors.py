"""What stops a command, with the exit status it ends in."""

from __future__ import annotations

from typing import Any, ClassVar


class CommandFailed(Exception):
    """A command cannot go on; the text is one line for the person."""

    status: ClassVar[int] = 1


class Unreachable(CommandFailed):
    """Nothing answers at the platform's URL."""

    status = 3


class BrokenOff(Unreachable):
    """The platform was there, and the connection broke off before it answered."""


class ApiError(CommandFailed):
    """The platform answered with an error (RFC 9457 problem document)."""

    status = 4

    def __init__(
        self, code: int, detail: str, problem: dict[str, Any] | None = None, retry_after: int | None = None
    ) -> None:
        """Take the answer; retry_after: seconds it asks to wait before another try, where it does."""
        super().__init__(detail)
        self.code = code
        self.problem = problem or {}
        self.retry_after = retry_after


class ServerError(ApiError):
    """The platform answered that the fault is its own (5xx)."""

    status = 5
