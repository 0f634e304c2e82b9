"""What options of the command line say about a job, as the body of a request has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from client.types import JobWish

JSON = dict[str, Any]
# These belong to the job itself; every other key is a parameter of the model
_JOB_SETTINGS = frozenset(
    (
        "epochs",
        "learning_rate",
        "batch_size",
        "time_budget",
        "validation_split",
        "split_column",
        "seed",
        "eval_steps",
        "pretrained",
        "resources",
    )
)


def wish_of(settings: Mapping[str, Any], **told: Any) -> JobWish:
    """Put settings of the job and parameters of the model where a request has them.

    Args:
        settings: By name, as a person typed them; the platform says which are none.
        told: What else the request says; None: nothing of it.
    """
    wish = {key: value for key, value in settings.items() if key in _JOB_SETTINGS}
    params = {key: value for key, value in settings.items() if key not in _JOB_SETTINGS}
    wish |= {"params": params} if params else {}
    wish |= {key: value for key, value in told.items() if value is not None}
    return cast("JobWish", wish)


def settings_of(texts: Sequence[str], option: str) -> JSON:
    """Read `key=value` texts.

    Raises:
        CommandFailed: One is none.
    """
    return {key: value_of(value) for key, value in (pair(text, option) for text in texts)}


def pair(text: str, option: str) -> tuple[str, str]:
    """Split `key=value`.

    Raises:
        CommandFailed: It is not of that form.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise CommandFailed(f"{option} {text!r} is not of the form key=value.")
    return key, value


def value_of(text: str) -> Any:
    """Read a value as JSON (3, 0.1, true, [..]); anything else is text, NaN and 1e999 too, which no request can hold."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except ValueError:
        return text
    return value
