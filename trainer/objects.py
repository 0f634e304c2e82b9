"""Objects by URI: s3:// through boto3 (managed, ranged, parallel transfers), file:// in place."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from trainer.lent import LentCredentials

PARALLEL_TRANSFERS = 16

_lent: LentCredentials | None = None  # of the process; until it is set, those that boto3 finds


def use(lent: LentCredentials) -> None:
    """Reach objects with these credentials from now on."""
    global _lent  # noqa: PLW0603 - one process trains one job
    _lent = lent
    _s3.cache_clear()


def read(uri: str) -> bytes:
    """Read a small object whole.

    Raises:
        DataError: It does not exist or may not be read.
    """
    if _is_file(uri):
        return _existing(uri).read_bytes()
    bucket, key = split_s3(uri)
    with _Explained(uri):
        return _s3().get_object(Bucket=bucket, Key=key)["Body"].read()


def fetch(uri: str, folder: Path) -> Path:
    """Make an object readable as a local file: a file:// one where it lies, an s3:// one downloaded into a folder.

    Raises:
        DataError: It does not exist or may not be read.
    """
    if _is_file(uri):
        return _existing(uri)
    bucket, key = split_s3(uri)
    target = folder / Path(key).name
    with _Explained(uri):
        _download(bucket, key, target)
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
    with _Explained(uri):
        sizes = dict(_list(bucket, prefix))
        if not sizes:
            raise DataError(f"{uri} holds no objects")
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {name: size for name, size in sizes.items() if wanted(name)}
        total, done = max(1, sum(sizes.values())), 0

        def transfer(name: str) -> int:
            _download(bucket, prefix + name, _inside(folder, name))
            return sizes[name]

        with ThreadPoolExecutor(PARALLEL_TRANSFERS) as pool:
            for size in pool.map(transfer, sizes):
                done += size
                progress(done / total)
    return folder


def put(path: Path, uri: str) -> None:
    """Store a local file as an object.

    Raises:
        DataError: The place cannot be written.
    """
    if _is_file(uri):
        target = local_path(uri)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # written beside and renamed, so that a reader never sees half an object
            partial = target.with_name(f".{target.name}.partial")
            shutil.copyfile(path, partial)
            partial.replace(target)
        except OSError as error:
            raise DataError(f"{uri} cannot be written: {error.strerror}") from None
        return
    bucket, key = split_s3(uri)
    with _Explained(uri):
        _s3().upload_file(str(path), bucket, key)


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
    for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/"):  # consoles make such keys to show an empty folder
                yield item["Key"].removeprefix(prefix), item["Size"]


def _download(bucket: str, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
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
        if error is None or not isinstance(error, Exception) or isinstance(error, DataError):
            return
        from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415 - as in _s3
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            told = {
                "404": "does not exist",
                "NoSuchKey": "does not exist",
                "NoSuchBucket": "lies in a bucket that does not exist",
                "403": "may not be accessed with this job's credentials",
                "AccessDenied": "may not be accessed with this job's credentials",
            }.get(code, f"failed: {error}")
            raise DataError(f"{self._uri} {told}") from error
        if isinstance(error, (BotoCoreError, S3UploadFailedError)):
            raise DataError(f"{self._uri} failed: {error}") from error
