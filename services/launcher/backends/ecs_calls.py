"""What a call to AWS may raise, sorted by what it leaves open: never sent, answered with an error, or not answered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from runtime.errors import Transient
from services.launcher.backend import Refused
from services.launcher.backends.ecs_words import api_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProxyConnectionError,
)
_SERVER_ERROR = 500


class Conflict(Exception):
    """The client token belongs to a task that was started with other parameters."""

    def __init__(self, arn: str) -> None:
        super().__init__(arn)
        self.arn = arn


class Unanswered(Transient):
    """The request may have been carried out."""


@contextmanager
def explained() -> Iterator[None]:
    """Turn what boto3 raises into words.

    Raises:
        Unanswered: No answer, a broken one, or a server's error.
        Transient: The request was not sent, or was answered with an error that may pass; Denied where people must mend it.
        Refused: It was answered with an error that will not pass.
        Conflict: As its docstring says.
    """
    try:
        yield
    except ClientError as error:
        raise _explain(error) from error
    except ParamValidationError as error:
        raise Refused(str(error)) from error
    except _NOT_SENT as error:
        raise Transient(f"AWS is not reached: {error}") from error
    except BotoCoreError as error:
        raise Unanswered(f"AWS does not answer: {error}") from error


def check_whole(answer: Mapping[str, object], *members: str) -> None:
    """See whether an answer has at least one of its members: botocore takes half an answer for one without any.

    Raises:
        Unanswered: It has none of them.
    """
    if not any(member in answer for member in members):
        raise Unanswered("AWS does not answer: its answer is broken off")


def _explain(error: ClientError) -> Exception:
    told = error.response["Error"]
    code, message = told.get("Code", ""), told.get("Message", "")
    if code == "ConflictException":
        arns = error.response.get("resourceIds")
        # Without the task's name the request may be on its way still; a repeat will tell
        return Conflict(str(arns[0])) if isinstance(arns, list) and arns else Unanswered(f"{code}: {message}")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_ERROR:
        return Unanswered(f"{code}: {message}")
    return api_error(code, message)
