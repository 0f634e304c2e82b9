"""Turns the bytes of a callback into its body, or into an error that names the field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts.callback import CallbackBody
from runtime.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.callback import Evaluation

_MAX_ERRORS = 20
_MAX_ATTEMPT = 999_999_999
# The largest whole number that JavaScript, and so a browser, holds exactly
_MAX_INTEGER = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_FUTURE = datetime(9000, 1, 1, tzinfo=UTC)


def parse(raw: bytes) -> CallbackBody:
    """Parse a body strictly: a number in quotes is not a number.

    Raises:
        Invalid: It is not JSON, or a field is unknown, missing, of the wrong type or out of range.
    """
    try:
        body = CallbackBody.model_validate_json(raw, strict=True)
    except ValidationError as error:
        problems = [
            (".".join(map(str, problem["loc"])) or "body", problem["msg"])
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    else:
        problems = list(_out_of_range(body))
    if problems:
        raise _invalid(problems)
    return body


def _out_of_range(body: CallbackBody) -> Iterator[tuple[str, str]]:
    """Find what the wire format leaves open but neither a database nor a browser can hold."""
    if body.attempt > _MAX_ATTEMPT:
        yield "attempt", f"must be at most {_MAX_ATTEMPT}"
    for index, point in enumerate(body.points):
        yield from _bad_time(f"points.{index}.at", point.at)
    for index, evaluation in enumerate(body.evaluations):
        yield from _bad_matrix(f"evaluations.{index}.matrix", evaluation)
    if body.heartbeat is not None:
        yield from _bad_time("heartbeat.at", body.heartbeat.at)
    for index, artifact in enumerate(body.final.artifacts if body.final else ()):
        if artifact.size > _MAX_INTEGER:
            yield f"final.artifacts.{index}.size", f"must be at most {_MAX_INTEGER}"


def _bad_time(where: str, at: datetime) -> Iterator[tuple[str, str]]:
    if at.tzinfo is None:
        yield where, "has no time zone"
    elif not _EPOCH <= at <= _FAR_FUTURE:
        yield where, "must be between the years 1970 and 9000"


def _bad_matrix(where: str, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    size = len(evaluation.labels)
    if len(evaluation.matrix) != size or any(len(row) != size for row in evaluation.matrix):
        yield where, f"must have {size} rows and columns, one for each label"
    if any(not 0 <= count <= _MAX_INTEGER for row in evaluation.matrix for count in row):
        yield where, f"counts must be between 0 and {_MAX_INTEGER}"


def _invalid(problems: list[tuple[str, str]]) -> Invalid:
    errors: dict[str, list[str]] = {}
    for where, what in problems[:_MAX_ERRORS]:
        errors.setdefault(where, []).append(what)
    text = "; ".join(f"{where}: {' '.join(what)}" for where, what in errors.items())
    if len(problems) > _MAX_ERRORS:
        text += f"; and {len(problems) - _MAX_ERRORS} more"
    return Invalid(text, errors)
