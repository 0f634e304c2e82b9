"""Objects by URI: s3:// through boto3 (managed, ranged, parallel transfers), file:// in place.

Besides what each function says, all raise StoreError where the store does not answer, once the process's patience is over.
"""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from trainer.errors import DataError, StoreError
from trainer.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from trainer.lent import LentCredentials

PARALLEL_TRANSFERS = 16

# Of a disk or a network share that may recover, or be given room
PASSING = {errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.ESTALE, errno.ETIMEDOUT}
SERVER_ERROR, BUSY = 500, {408, 429}  # of HTTP
LAPSED = {"ExpiredToken", "RequestTimeTooSkewed", "RequestTimeout", "TokenRefreshRequired"}

_lent: LentCredentials | None = None  # of the process; until it is set, those that boto3 finds
_patience = Patience(0)  # of the process


def use(lent: LentCredentials) -> None:
    """Reach objects with these credentials from now on."""
    global _lent  # noqa: PLW0603 - one process trains one job
    _lent = lent
    _s3.cache_clear()


def wait(patience: Patience) -> None:
    """Be as patient with a store that does not answer from now on."""
    global _patience  # noqa: PLW0603 - as above
    _patience = patience


def read(uri: str) -> bytes:
    """Read a small object whole.

    Raises:
        DataError: It does not exist or may not be read.
    """
    if _is_file(uri):
        return _existing(uri).read_bytes()
    bucket, key = split_s3(uri)

    def get() -> bytes:
        with _Explained(uri):
            return _s3().get_object(Bucket=bucket, Key=key)["Body"].read()

    return _patience.try_again(get)


def fetch(uri: str, folder: Path) -> Path:
    """Make an object readable as a local file: a file:// one where it lies, an s3:// one downloaded into a folder.

    Raises:
        DataError: It does not exist or may not be read.
    """
    if _is_file(uri):
        return _existing(uri)
    bucket, key = split_s3(uri)
    target = folder / Path(key).name
    _patience.try_again(lambda: _download(bucket, key, target))
    return target


def fetch_folder(
    uri: str,
    folder: Path,
    progress: Callable[[float], None],
    wanted: Callable[[str], bool] = lambda _: True,
) -> Path:
    """Make every object under a prefix readable as a local folder.

    Args:
        uri: The prefix, with or without a trailing slash.
        folder: Where s3:// objects are put; a file:// folder is used where it lies.
        progress: Told the share of the bytes that are there, 0 to 1.
        wanted: Told an s3:// object's name below the prefix, says whether to download it.

    Raises:
        DataError: There is nothing under it, or it may not be read.
    """
    if _is_file(uri):
        path = _existing(uri)
        if not path.is_dir():
            raise DataError(f"{uri} is not a folder")
        return path
    bucket, key = split_s3(uri)
    prefix = key.rstrip("/") + "/"
    sizes = _patience.try_again(lambda: dict(_list(bucket, prefix)))
    if not sizes:
        raise DataError(f"{uri} holds no objects")
    folder.mkdir(parents=True, exist_ok=True)
    missing = {name: size for name, size in sizes.items() if wanted(name)}
    total, done = max(1, sum(missing.values())), 0

    def transfer(name: str) -> str:
        _download(bucket, prefix + name, _inside(folder, name))
        return name

    def transfer_missing() -> None:
        nonlocal done
        with ThreadPoolExecutor(PARALLEL_TRANSFERS) as pool:
            for name in pool.map(transfer, list(missing)):
                done += missing.pop(name)
                progress(done / total)

    _patience.try_again(transfer_missing)  # of all of them: a wait is told once, and heard of a signal
    return folder


def put(path: Path, uri: str, *, patient: bool = True) -> None:
    """Store a local file as an object; with the process's patience, unless told otherwise.

    Raises:
        DataError: The place cannot be written.
    """
    if patient:
        _patience.try_again(lambda: _put(path, uri))
    else:
        _put(path, uri)


def remove(uri: str) -> None:
    """Remove an object; one that is not there is as good.

    Raises:
        DataError: It may not be removed.
    """
    if _is_file(uri):
        try:
            local_path(uri).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{uri} cannot be removed: {error.strerror}") from None
        return
    bucket, key = split_s3(uri)
    with _Explained(uri):
        _s3().delete_object(Bucket=bucket, Key=key)


def local_path(uri: str) -> Path:
    """Give the path that a file:// URI names."""
    return Path(unquote(urlsplit(uri).path))


def split_s3(uri: str) -> tuple[str, str]:
    """Split s3://bucket/key into bucket and key; a key may hold any character, so nothing is decoded."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _put(path: Path, uri: str) -> None:
    if not _is_file(uri):
        bucket, key = split_s3(uri)
        with _Explained(uri):
            _s3().upload_file(str(path), bucket, key)
        return
    target = local_path(uri)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # written beside and renamed, so that a reader never sees half an object
        partial = target.with_name(f".{target.name}.partial")
        shutil.copyfile(path, partial)
        partial.replace(target)
    except OSError as error:
        kind = StoreError if error.errno in PASSING else DataError
        raise kind(f"{uri} cannot be written: {error.strerror}") from None


def _is_file(uri: str) -> bool:
    return uri.startswith("file:")


def _existing(uri: str) -> Path:
    path = local_path(uri)
    if not path.exists():
        raise DataError(f"{uri} does not exist")
    if not os.access(path, os.R_OK):
        raise DataError(f"{uri} may not be read")
    return path


def _inside(folder: Path, name: str) -> Path:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise DataError(f"the object name {name!r} leads out of its folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _list(bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    with _Explained(f"s3://{bucket}/{prefix}"):
        for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):  # consoles make such keys to show an empty folder
                    yield item["Key"].removeprefix(prefix), item["Size"]


def _download(bucket: str, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _Explained(f"s3://{bucket}/{key}"):
        _s3().download_file(bucket, key, str(target))


@lru_cache(maxsize=1)
def _s3() -> S3Client:
    # imported here: a job on file:// never pays for it. AWS_ENDPOINT_URL is honoured by boto3 itself
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        max_pool_connections=2 * PARALLEL_TRANSFERS,
        retries={"mode": "standard", "max_attempts": 6},
        connect_timeout=10,
        read_timeout=60,
    )
    session = boto3.Session() if _lent is None else _lent.session()
    return session.client("s3", config=config)


class _Explained:
    """Turn what boto3 raises into a sentence that names the object."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from boto3.exceptions import Boto3Error  # noqa: PLC0415 - as in _s3
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if not isinstance(error, (Boto3Error, BotoCoreError, ClientError)):
            return
        found: BaseException = error
        if isinstance(error, Boto3Error):  # it words anew what stopped an upload or a download's last try
            found = getattr(error, "last_exception", None) or error.__context__ or error
        answer: Any = found.response if isinstance(found, ClientError) else {}
        told = {
            "404": "does not exist",
            "NoSuchKey": "does not exist",
            "NoSuchBucket": "lies in a bucket that does not exist",
            "403": "may not be accessed with this job's credentials",
            "AccessDenied": "may not be accessed with this job's credentials",
        }.get(answer.get("Error", {}).get("Code", ""), f"failed: {error}")
        kind = StoreError if _may_pass(found) else DataError
        raise kind(f"{self._uri} {told}") from error


def _may_pass(error: BaseException) -> bool:
    """Tell whether the same may go well later: the store, the way to it, or access that is renewed was not there."""
    from botocore import exceptions as boto  # noqa: PLC0415 - as in _s3
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    if isinstance(error, boto.ClientError):
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= SERVER_ERROR or status in BUSY or answer.get("Error", {}).get("Code", "") in LAPSED
    passing = (
        boto.ConnectionError,
        boto.HTTPClientError,
        boto.IncompleteReadError,
        boto.CredentialRetrievalError,
        HTTPError,
        OSError,
    )
    return isinstance(error, passing)
