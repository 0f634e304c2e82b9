"""Trouble of a store or a disk is waited for; what is about one file, or a defect, gets a few tries; the rest is not touched."""

from __future__ import annotations

import errno

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
    TokenRetrievalError,
)

from runtime.errors import Invalid, NotFound, Transient, Unavailable
from runtime.storage import Corrupt, StoreRefused
from runtime.storage.trouble import store_may_return


def answered(code: str, status: int = 0) -> ClientError:
    told = {"Error": {"Code": code, "Message": "so it is"}}
    if status:
        told["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(told, "PutObject")


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Unavailable),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Unavailable),
        (OSError(errno.EIO, "Input/output error"), Unavailable),
        (OSError(errno.EROFS, "Read-only file system"), Unavailable),
        (PermissionError(errno.EACCES, "Permission denied"), Unavailable),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Unavailable),
        (TimeoutError("timed out"), Unavailable),
        (OSError(errno.ENAMETOOLONG, "File name too long"), Transient),
        (FileNotFoundError(errno.ENOENT, "No such file"), Transient),
        (StoreRefused("there is no bucket b"), Unavailable),
        (Corrupt("other bytes"), Transient),
        (EndpointConnectionError(endpoint_url="http://s3"), Unavailable),
        (ReadTimeoutError(endpoint_url="http://s3"), Unavailable),
        (TokenRetrievalError(provider="sso", error_msg="expired"), Unavailable),
        (S3UploadFailedError("a part"), Unavailable),
        (ParamValidationError(report="no such parameter"), Transient),
        (answered("SlowDown", 503), Unavailable),
        (answered("InternalError"), Unavailable),
        (answered("TooManyRequests", 429), Unavailable),
        (answered("RequestTimeTooSkewed", 403), Unavailable),
        (answered("ExpiredToken", 400), Unavailable),
        (answered("XMinioStorageFull", 507), Unavailable),
        (answered("InvalidRequest", 400), Transient),
        (answered("NoSuchUpload", 404), Transient),
    ],
    ids=lambda value: None if isinstance(value, type) else str(value)[:50],
)
def test_how_a_failure_is_tried_again(error, becomes):
    with pytest.raises(Transient) as raised, store_may_return():
        raise error
    assert type(raised.value) is becomes
    assert str(error) in str(raised.value)


@pytest.mark.parametrize("error", [NotFound("no object"), Invalid("no"), ValueError("defect"), KeyError("x")])
def test_what_is_neither_the_stores_nor_a_disks_passes_through(error):
    with pytest.raises(type(error)) as raised, store_may_return():
        raise error
    assert raised.value is error
