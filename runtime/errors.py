"""The three errors a domain module may raise, and the one that asks for another try."""

from __future__ import annotations


class DomainError(Exception):
    """A request or message that cannot be served; its text is for the person who sent it."""


class NotFound(DomainError):
    """What was asked for does not exist (HTTP 404)."""


class Conflict(DomainError):
    """It exists, but its state does not allow this now (HTTP 409)."""


class Invalid(DomainError):
    """The input is wrong (HTTP 422); `errors` may name each field, `members` are further ones of the problem document."""

    def __init__(self, message: str, errors: dict[str, list[str]] | None = None, **members: object) -> None:
        super().__init__(message)
        self.errors = errors or {}
        self.members = members


class Transient(Exception):
    """Something outside failed in a way that may pass; the delivery is tried again a few times."""


class Unavailable(Transient):
    """The object store or a disk is away, full, or refuses: waited for by the hour, and no try is counted."""
