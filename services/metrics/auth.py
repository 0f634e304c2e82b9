"""Decides whether a callback is authentic: version 2 with a derived secret, or the fixed token alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.callback import (
    ATTEMPT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOKEN_HEADER,
    Refused,
    derive_secret,
    verify_body,
    verify_token,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADERS = (TOKEN_HEADER, ATTEMPT_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who an authentic callback speaks for: an attempt of the job (version 2), or the job as a whole (None)."""

    attempt: int | None


class Authenticator:
    """Checks the headers and the body of callbacks."""

    def __init__(
        self, roots: tuple[str, ...], fixed_secret: str | None, *, leeway: int, max_ttl: int
    ) -> None:
        """Take the secrets.

        Args:
            roots: Root secrets in force; version 2 secrets are derived from them.
            fixed_secret: Secret of the fixed token for jobs launched elsewhere; None refuses them.
            leeway: How far a sender's clock may be off, seconds.
            max_ttl: The furthest expiry of a token, seconds from now.
        """
        self._roots = roots
        self._fixed_secret = fixed_secret
        self._leeway = leeway
        self._max_ttl = max_ttl

    def check(self, job_id: str, received: Mapping[str, str], body: bytes, *, now: float) -> Sender:
        """Check one callback.

        Args:
            job_id: The job in the request's path.
            received: The request's headers; a WSGI server joins repeated ones by a comma.
            body: The request's body as received.
            now: Unix seconds.

        Raises:
            Refused: A check failed; the text says which.
        """
        headers = {name: received[name] for name in HEADERS if name in received}
        for name, value in headers.items():
            if "," in value:
                raise Refused(f"{name} was sent more than once")
        if TOKEN_HEADER not in headers:
            raise Refused(f"{TOKEN_HEADER} is absent")
        if len(headers) == 1:
            return self._check_fixed(job_id, headers[TOKEN_HEADER], now)
        return self._check_signed(job_id, headers, body, now)

    def _check_fixed(self, job_id: str, token: str, now: float) -> Sender:
        if self._fixed_secret is None:
            raise Refused(f"{ATTEMPT_HEADER} is absent: only version 2 callbacks are accepted here")
        try:
            verify_token(token, job_id, self._fixed_secret, now=now, max_ttl=self._max_ttl)
        except Refused as error:
            raise Refused(f"{error} (without {ATTEMPT_HEADER} it is taken for the fixed token)") from None
        return Sender(attempt=None)

    def _check_signed(self, job_id: str, headers: dict[str, str], body: bytes, now: float) -> Sender:
        text = headers.get(ATTEMPT_HEADER, "")
        if _ATTEMPT.fullmatch(text) is None:
            raise Refused(f"{ATTEMPT_HEADER} is absent or not a whole number from 1")
        attempt = int(text)
        failures = []
        for root in self._roots:
            secret = derive_secret(root, job_id, attempt)
            try:
                verify_token(headers[TOKEN_HEADER], job_id, secret, now=now, max_ttl=self._max_ttl)
                verify_body(headers, job_id, attempt, body, secret, now=now, leeway=self._leeway)
            except Refused as error:
                failures.append(str(error))
            else:
                return Sender(attempt)
        raise Refused("; ".join(dict.fromkeys(failures)))
