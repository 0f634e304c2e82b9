"""One signed PATCH to the metrics service: taken, refused for good by it, or to be tried again after a wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx

from contracts.callback import signed_headers
from trainer.patience import jittered
from trainer.tracing import NoTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.job import JobSpec
    from trainer.tracing import Trace

# What the metrics service itself refuses so, in a problem document, it will refuse again. Anything else may be the word of
# what stands before it (a proxy's 403, an ingress's 404 while it is deployed), or of a clock that is off (401)
FOR_GOOD = frozenset({400, 413, 422})
OVER = 409
PROBLEM = "application/problem+json"
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


class Away(Exception):
    """The service did not take the body this time."""

    def __init__(self, why: str, wait: float) -> None:
        super().__init__(f"the metrics service did not take a report: {why}")
        self.wait = wait


class Dropped(Exception):
    """The service will never take this body."""


class Over(Exception):
    """The service takes nothing of this attempt any more: it has ended there, or another one has begun."""


class Delivery:
    """Sends bodies for one attempt of one job; counts failures in a row to wait longer each time."""

    def __init__(
        self,
        spec: JobSpec,
        *,
        timeout: float = 10,
        clock: Callable[[], float] = time.time,
        first_wait: float = FIRST_WAIT,
        trace: Trace | None = None,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._first_wait = first_wait
        self._trace = trace or NoTrace()
        self._failures = 0
        self._url = f"{spec.api_base}/api/training_jobs/{spec.job_id}/metrics/"
        # An answer that leads elsewhere is refused as any other that is no success
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def send(self, body: bytes, *, final: bool = False) -> None:
        """Send one body, signed now.

        Args:
            body: A CallbackBody as JSON.
            final: Whether it tells the attempt's end.

        Raises:
            Away: The service could not be reached, or did not take the body this time; ``wait`` says in how many seconds it
                may.
            Dropped: It refused the body for good.
            Over: It takes nothing of this attempt any more.
        """
        spec = self._spec
        headers = signed_headers(
            spec.job_id,
            spec.attempt,
            body,
            spec.callback_secret,
            now=int(self._clock()),
            ttl=spec.callback_ttl,
        )
        headers["Content-Type"] = "application/json"
        headers.update(self._trace.headers(final=final))
        try:
            answer = self._client.patch(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise Away(f"{type(error).__name__}: {error}", self._backoff()) from None
        if answer.is_success:
            self._failures = 0
            return
        told = f"HTTP {answer.status_code}" + (f": {answer.text[:500]}" if answer.text else "")
        own = answer.headers.get("Content-Type", "").partition(";")[0] == PROBLEM
        if own and answer.status_code == OVER:
            raise Over(told)
        if own and answer.status_code in FOR_GOOD:
            raise Dropped(told)
        raise Away(told, max(self._backoff(), _retry_after(answer)))

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def _backoff(self) -> float:
        """Exponential backoff with full jitter (AWS Architecture Blog, Exponential Backoff and Jitter, 2015)."""
        longest = min(LONGEST_WAIT, self._first_wait * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return jittered(longest)


def _retry_after(answer: httpx.Response) -> float:
    stated = answer.headers.get("Retry-After", "")
    return min(float(stated), LONGEST_WAIT) if stated.isascii() and stated.isdigit() else 0.0
