"""Tells trouble of the object store or of a disk, which handlers wait for, from what another try hardly cures."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runtime.errors import Transient, Unavailable
from runtime.storage.base import Corrupt, StoreRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

# About a name or a file, not about the disk it lies on
_OF_THE_FILE = {
    errno.ENOENT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
    errno.ELOOP,
}
# Answers of S3 to a request that is right: rights, clocks, tokens and load are others' to mend
_PASSING_STATUS = {401, 403, 408, 409, 423, 425, 429}
_CLIENT_ERROR = 4  # hundreds
_PASSING_CODES = {"ExpiredToken", "InvalidToken", "RequestTimeout", "TokenRefreshRequired"}


@contextmanager
def store_may_return() -> Iterator[None]:
    """Say of what fails inside how it is to be tried again; all that is neither the store's nor a disk's passes through.

    Raises:
        Unavailable: The store or a disk is away, full, or refuses.
        Transient: It failed in a way that only another try shows the nature of.
    """
    try:
        yield
    except StoreRefused as error:
        raise Unavailable(f"The object store refuses: {error}") from error
    except Corrupt as error:
        raise Transient(f"Corrupt: {error}") from error
    except OSError as error:
        raise _kind(waits=error.errno not in _OF_THE_FILE)(_told(error)) from error
    except Exception as error:
        # By name: boto3 takes half a second and 40 MB to import, which only those pay who use it
        if type(error).__module__.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise _kind(waits=_passes(error))(_told(error)) from error


def _kind(*, waits: bool) -> type[Transient]:
    return Unavailable if waits else Transient


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _passes(error: Exception) -> bool:
    from botocore.exceptions import ClientError, ParamValidationError  # noqa: PLC0415 - see above

    if not isinstance(error, ClientError):
        return not isinstance(error, ParamValidationError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    return status // 100 != _CLIENT_ERROR or status in _PASSING_STATUS or code in _PASSING_CODES
