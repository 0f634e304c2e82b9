"""The trainer's reports to the metrics service: bodies, the fixed token, and the version 2 signature over the body."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from contracts.base import Wire

TOKEN_HEADER = "X-Callback-Token"  # noqa: S105 - a header's name
TIMESTAMP_HEADER = "X-Callback-Timestamp"
ATTEMPT_HEADER = "X-Callback-Attempt"
SIGNATURE_HEADER = "X-Callback-Signature"

_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)
_SIGNATURE = re.compile(r"v2=([0-9a-f]{64})", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Refused(Exception):
    """A callback that is not authentic; its text says which check failed and is safe to show."""


class Phase(StrEnum):
    """Where a running trainer is."""

    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    TRAINING = "training"
    EXPLAINING = "explaining"
    UPLOADING = "uploading"


class Outcome(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


Metric = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Point(Wire):
    """Values measured at one step. (attempt, split, step, seq) is its identity: a repeat changes nothing."""

    split: Annotated[str, StringConstraints(pattern=r"^(train|val|system)$")]
    step: int = Field(ge=0, le=2**53, description="optimizer steps done")
    seq: int = Field(ge=0, le=2**53, description="position in what the trainer sent, from 0")
    epoch: float = Field(ge=0, description="epochs done, fractions allowed")
    at: datetime
    values: dict[Metric, float] = Field(min_length=1, max_length=64)


class Evaluation(Wire):
    """One validation pass: the confusion matrix behind its figures."""

    step: int = Field(ge=0, le=2**53)
    seq: int = Field(ge=0, le=2**53)
    epoch: float = Field(ge=0)
    labels: list[str] = Field(max_length=1000)
    matrix: list[list[int]] = Field(max_length=1000, description="rows true, columns predicted")
    best: bool = Field(default=False, description="the best one so far")


class Heartbeat(Wire):
    """A sign of life that does not depend on epochs or uploads."""

    at: datetime
    phase: Phase
    progress: float = Field(ge=0, le=1)
    eta_seconds: float | None = Field(default=None, ge=0)
    message: str = Field(default="", max_length=500)


class ArtifactInfo(Wire):
    """One uploaded result."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")]
    uri: str = Field(max_length=2000)
    size: int = Field(ge=0, description="bytes")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Final(Wire):
    """The last word of an attempt."""

    outcome: Outcome
    reason: str = Field(default="", max_length=4000)
    metrics: dict[Metric, float] = Field(default_factory=dict, description="of the best epoch")
    artifacts: list[ArtifactInfo] = Field(default_factory=list, max_length=100)
    # Left out where it is not so, as what was released before did not have it
    passing: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="it failed by nobody's fault: the launcher says by what, and another attempt may follow",
    )


class CallbackBody(Wire):
    """One PATCH of /api/training_jobs/{id}/metrics/."""

    version: int = Field(default=1, ge=1, le=1)
    attempt: int = Field(default=1, ge=1)
    points: list[Point] = Field(default_factory=list, max_length=1000)
    evaluations: list[Evaluation] = Field(default_factory=list, max_length=20)
    heartbeat: Heartbeat | None = None
    final: Final | None = None


def derive_secret(root: str, job_id: str, attempt: int) -> str:
    """Derive the secret of one job attempt from the platform's root secret (HKDF-SHA256, RFC 5869, one block).

    A trainer holds only this, so a leaked one speaks for one attempt of one job.

    Args:
        root: The platform's root secret, any text.
        job_id: The job.
        attempt: Its attempt, from 1.

    Returns:
        64 hexadecimal digits.
    """
    extracted = hmac.digest(b"triptych-callback-v2", root.encode(), "sha256")
    info = f"{job_id}:{attempt}".encode()
    return hmac.digest(extracted, info + b"\x01", "sha256").hex()


def sign_token(job_id: str, expires: int, secret: str) -> str:
    """Make the fixed token ``<exp>.<hex hmac_sha256("{job_id}.{exp}", secret)>``; expires is in Unix seconds."""
    return f"{expires}.{_hmac(secret, f'{job_id}.{expires}')}"


def sign_body(job_id: str, attempt: int, timestamp: int, body: bytes, secret: str) -> str:
    """Make the version 2 signature, which binds job, attempt, time (Unix seconds) and every byte of the body."""
    return f"v2={_hmac(secret, _signed_text(job_id, attempt, timestamp, body))}"


def verify_token(token: str, job_id: str, secret: str, *, now: float, max_ttl: int = 86_400) -> None:
    """Check the fixed token.

    Args:
        token: The header's value as received.
        job_id: The job in the request's path.
        secret: What the token must have been made with.
        now: Unix seconds.
        max_ttl: The furthest expiry accepted, seconds from now.

    Raises:
        Refused: It is malformed, made with another secret or for another job, expired, or expires too late.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise Refused(f"{TOKEN_HEADER} is not of the form <expiry>.<64 hexadecimal digits>")
    expires = int(match[1])
    if not _equal(match[2], _hmac(secret, f"{job_id}.{match[1]}")):
        raise Refused(f"{TOKEN_HEADER} does not match this job and secret")
    if expires <= now:
        raise Refused(f"{TOKEN_HEADER} expired {now - expires:.0f} s ago")
    if expires > now + max_ttl:
        raise Refused(f"{TOKEN_HEADER} expires more than {max_ttl} s from now")


def verify_body(
    headers: dict[str, str],
    job_id: str,
    attempt: int,
    body: bytes,
    secret: str,
    *,
    now: float,
    leeway: int = 300,
) -> None:
    """Check the version 2 signature over the body.

    Args:
        headers: The request's headers, by their exact names in this module.
        job_id: The job in the request's path.
        attempt: The attempt the headers name.
        body: The request's body as received.
        secret: The attempt's secret.
        now: Unix seconds.
        leeway: How far the sender's clock may be from ours, seconds.

    Raises:
        Refused: A header is absent or malformed, the time is out of range, or the signature does not match.
    """
    stamp, signature = headers.get(TIMESTAMP_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if _DIGITS.fullmatch(stamp) is None:
        raise Refused(f"{TIMESTAMP_HEADER} is absent or not Unix seconds")
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise Refused(f"{SIGNATURE_HEADER} is absent or not of the form v2=<64 hexadecimal digits>")
    if not _equal(match[1], _hmac(secret, _signed_text(job_id, attempt, int(stamp), body))):
        raise Refused(f"{SIGNATURE_HEADER} does not match this body, job, attempt and time")
    if abs(now - int(stamp)) > leeway:
        raise Refused(f"{TIMESTAMP_HEADER} is more than {leeway} s from this server's time")


def signed_headers(
    job_id: str, attempt: int, body: bytes, secret: str, *, now: int, ttl: int
) -> dict[str, str]:
    """Make every header of one callback.

    Args:
        job_id: The job.
        attempt: Its attempt.
        body: The exact bytes to be sent.
        secret: The attempt's secret.
        now: Unix seconds.
        ttl: Seconds the token is good for.
    """
    return {
        TOKEN_HEADER: sign_token(job_id, now + ttl, secret),
        ATTEMPT_HEADER: str(attempt),
        TIMESTAMP_HEADER: str(now),
        SIGNATURE_HEADER: sign_body(job_id, attempt, now, body, secret),
    }


def _signed_text(job_id: str, attempt: int, timestamp: int, body: bytes) -> str:
    return f"v2.{job_id}.{attempt}.{timestamp}.{hashlib.sha256(body).hexdigest()}"


def _hmac(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _equal(left: str, right: str) -> bool:
    # compare_digest raises on non-ASCII text, so bytes are compared
    return hmac.compare_digest(left.encode(), right.encode())


def to_json(body: CallbackBody) -> bytes:
    """Serialize a body once; the same bytes must be signed and sent."""
    return body.model_dump_json(exclude_none=True).encode()


def from_json(raw: bytes) -> CallbackBody:
    """Parse a body.

    Raises:
        pydantic.ValidationError: It is not JSON, a field is unknown, missing or out of range, or a number is not finite.
    """
    return CallbackBody.model_validate_json(raw)


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema of the body, for the OpenAPI page."""
    return CallbackBody.model_json_schema()
