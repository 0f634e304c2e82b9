"""Objects in a folder or in S3, chosen by a URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from runtime.storage.base import (
    BadKey,
    Corrupt,
    ObjectStore,
    Progress,
    Readable,
    SizeMismatch,
    StoredObject,
    StoreRefused,
)

__all__ = [
    "BadKey",
    "Corrupt",
    "ObjectStore",
    "Progress",
    "Readable",
    "SizeMismatch",
    "StoreRefused",
    "StoredObject",
    "open_store",
]


def open_store(
    url: str,
    *,
    part_bytes: int = 8 << 20,
    connections: int = 8,
    attempts: int = 6,
    timeout_seconds: float = 60,
) -> ObjectStore:
    """The store a URL names.

    Args:
        url: `s3://bucket/prefix` (boto3 reads region, credentials and AWS_ENDPOINT_URL from the environment) or
            `file:///folder` (percent-encoded; made if it is missing).
        part_bytes: S3: size of a part, and of the smallest object sent in parts; at least 5 MiB.
        connections: S3: parts of one object sent at a time.
        attempts: S3: see `runtime.storage.s3.make_client`.
        timeout_seconds: As above.

    Raises:
        ValueError: If it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        # boto3 takes half a second and 40 MB to import: only those who use it pay.
        from runtime.storage.s3 import S3Store, make_client  # noqa: PLC0415

        return S3Store(
            # several objects may be on their way at once
            make_client(4 * connections, attempts=attempts, timeout_seconds=timeout_seconds),
            parts.netloc,
            url.removeprefix(f"s3://{parts.netloc}").strip("/"),
            part_bytes=part_bytes,
            connections=connections,
        )
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        from runtime.storage.files import FileStore  # noqa: PLC0415

        return FileStore(Path(unquote(parts.path)))
    raise ValueError(f"bad object store {url!r}: s3://bucket/prefix or file:///folder is allowed")
