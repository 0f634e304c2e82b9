"""What stops a call: the platform does not answer, or it answers that it will not."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import Finding, Problem


class Unusable(ValueError):
    """What the client was given cannot be used: a URL that is none, a file that is not what it should be."""


class ApiError(Exception):
    """A call did not come to what was asked for; the text is a sentence for a person.

    Attributes:
        status: HTTP status of the answer; 0 where there was none.
    """

    status = 0


class Away(ApiError):
    """The platform does not answer, took too long, or something else answers in its place.

    Attributes:
        url: Where it was looked for.
        cause: What the network, or what stands in the platform's place, says.
    """

    def __init__(self, text: str, *, url: str = "", cause: str = "", status: int = 0) -> None:
        super().__init__(text)
        self.url = url
        self.cause = cause
        self.status = status


class BrokenOff(Away):
    """The platform was there, and the connection broke off before it had answered."""


class StoreAway(Away):
    """The object store, to which parts of an upload go straight and from which files may come, does not answer or says no."""


class HalfSent(Away):
    """An upload was given up on the way; what the platform has is kept, and the same files go on from there.

    Attributes:
        last: What the last of many tries came to.
        sent: Bytes that the platform has.
        length: Bytes of all files.
    """

    def __init__(self, last: ApiError, url: str, sent: int, length: int) -> None:
        super().__init__(f"{last} {sent} of {length} bytes are there.", url=url, cause=str(last))
        self.last = last
        self.sent = sent
        self.length = length


class Refused(ApiError):
    """The platform answered with a problem document (RFC 9457).

    Attributes:
        title: The kind of problem in a few words.
        detail: What was wrong, and what is allowed.
        errors: What is wrong, by the name of the field: {"params.dropout": "too high"}.
        findings: What the checks before a job found, where they stop it.
        retry_after: Seconds after which to try again, where the platform says so.
        problem: The whole document.
    """

    def __init__(self, status: int, problem: Problem, retry_after: int | None = None) -> None:
        self.status = status
        self.title = str(problem.get("title") or "")
        self.detail = str(problem.get("detail") or "")
        self.errors = _flat(problem.get("errors") or {})
        self.findings: Sequence[Finding] = problem.get("findings") or []
        self.retry_after = retry_after
        self.problem = problem
        super().__init__(self.detail or self.title)

    @property
    def signed_out(self) -> bool:
        """Whether it is so for want of a key or sign-in that counts."""
        return self.status == HTTPStatus.UNAUTHORIZED

    @property
    def platforms_fault(self) -> bool:
        """Whether the platform says that the fault is its own (5xx)."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _flat(errors: Any, path: str = "") -> dict[str, str]:
    """Turn {"json": {"params": {"lr": ["too high"]}}} into {"params.lr": "too high"}."""
    if isinstance(errors, dict):
        flat: dict[str, str] = {}
        for name, inner in errors.items():
            below = path if not path and name in {"json", "query"} else f"{path}.{name}".strip(".")
            flat.update(_flat(inner, below))
        return flat
    texts = errors if isinstance(errors, list) else [errors]
    return {path: " ".join(str(text) for text in texts)}
