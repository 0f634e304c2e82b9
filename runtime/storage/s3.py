"""An object store in S3, or in a service that speaks its protocol."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

import boto3.session
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError
from typing_extensions import override

from runtime.errors import NotFound
from runtime.storage.base import (
    BLOCK,
    Corrupt,
    ObjectStore,
    StoredObject,
    StoreRefused,
    blocks_of,
    checked_key,
    checked_prefix,
)
from runtime.storage.crc32 import CheckedSource, Crc32
from runtime.storage.direct import MAX_PARTS, S3Direct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from mypy_boto3_s3.client import S3Client

    from runtime.storage.base import Progress, Readable

MISSING = {"404", "NoSuchKey"}
REFUSED = {
    "301",
    "403",
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "EntityTooLarge",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "NoSuchBucket",
    "PermanentRedirect",
    "SignatureDoesNotMatch",
}


def make_client(connections: int, *, attempts: int = 6, timeout_seconds: float = 60) -> S3Client:
    """A client for whatever the environment's AWS_* variables name.

    Args:
        connections: Kept open at most.
        attempts: How often a request is made that failed in a way that may pass; between two, botocore waits a random
            part of a time that doubles, up to 20 s.
        timeout_seconds: The longest silence of the store within a request.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        connect_timeout=min(10, timeout_seconds),
        read_timeout=timeout_seconds,
        signature_version="s3v4",  # else links without a region are signed by a scheme many stores have dropped
        tcp_keepalive=True,
    )
    return boto3.session.Session().client("s3", config=config)


class S3Store(ObjectStore):
    """Objects of one bucket under one prefix.

    Every write carries CRC-32 checksums, which S3 compares with what it receives. What it then tells of the stored
    object is compared with what was computed while reading the source: the CRC-32 of the whole for an object sent in
    one request, or for one sent in parts S3's composite type, the CRC-32 of its parts' CRC-32s. (Composite because
    boto3 sends it by default and every service that knows checksums has it; `FULL_OBJECT` is newer.) A service that
    tells neither has the object read back instead: that costs a download, yet unlike an ETag it also proves
    something for encrypted objects, where the ETag is no MD5.

    Unfinished multipart uploads of a process that was killed cost money until they are aborted: `delete_prefix` and
    `drop_unfinished` do so, and the bucket may have an AbortIncompleteMultipartUpload lifecycle rule besides.

    Args:
        client: boto3's client.
        bucket: Bucket name.
        prefix: Put before every key; may be empty.
        part_bytes: Size of a part; also the size from which an object is sent in parts.
        connections: Parts sent at a time. Up to `connections + 3` parts are in memory for each upload.
    """

    def __init__(
        self, client: S3Client, bucket: str, prefix: str, *, part_bytes: int, connections: int
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = checked_prefix(prefix)
        self._part_bytes = part_bytes
        self._connections = connections

    @property
    @override
    def direct(self) -> S3Direct:
        return S3Direct(self._client, self._bucket, self._name, self._part_size, self._errors)

    @override
    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._name(key)}"

    @override
    def key_of(self, uri: str) -> str:
        base = f"s3://{self._bucket}/{self._prefix}"
        if not uri.startswith(base):
            raise ValueError(f"{uri!r} does not lie in {base}")
        return checked_key(uri.removeprefix(base))

    @override
    def put_bytes(
        self, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        crc = Crc32()
        crc.update(data)
        with self._errors(key):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._name(key),
                Body=data,
                ContentType=content_type,
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=crc.text(),
            )
        self._verify(key, crc, answer.get("ChecksumCRC32"))
        return StoredObject(key, len(data), _label(crc.text()))

    @override
    def put_file(self, key: str, path: Path, *, progress: Progress | None = None) -> StoredObject:
        with path.open("rb") as source:
            return self.put_stream(key, source, os.fstat(source.fileno()).st_size, progress=progress)

    @override
    def put_stream(
        self, key: str, source: Readable, size: int, *, progress: Progress | None = None
    ) -> StoredObject:
        if size < self._part_bytes:
            stored = self.put_bytes(key, b"".join(blocks_of(CheckedSource(source, size, Crc32()))))
            if progress:
                progress(size)
            return stored
        part_size = self._part_size(size)
        crc = Crc32(part_size)
        config = TransferConfig(
            multipart_threshold=1, multipart_chunksize=part_size, max_concurrency=self._connections
        )
        config.max_in_memory_upload_chunks = self._connections + 2
        with self._errors(key):
            self._client.upload_fileobj(
                cast("IO[bytes]", CheckedSource(source, size, crc)),  # all that boto3 needs is `read`
                self._bucket,
                self._name(key),
                ExtraArgs={"ChecksumAlgorithm": "CRC32", "ChecksumType": "COMPOSITE"},
                Callback=progress,
                Config=config,
            )
        stored_size, told = self._look(key)
        if stored_size != size:
            raise Corrupt(f"{self.uri(key)} has {stored_size} bytes, {size} were sent")
        self._verify(key, crc, told)
        return StoredObject(key, size, _label(crc.text()))

    @override
    def holds(self, key: str, source: Readable, size: int) -> bool:
        stored_size, told = self._look(key)
        if stored_size != size:
            return False
        crc = Crc32(self._part_size(size) if told and "-" in told else None)
        for _ in blocks_of(CheckedSource(source, size, crc)):
            pass
        return crc.text() == self._stored(key, crc, told)

    @override
    def get_bytes(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        checked_key(key)
        if length == 0:
            return b""
        arguments: dict[str, Any] = {}
        if start or length is not None:
            arguments["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        with self._errors(key):
            try:
                return self._client.get_object(Bucket=self._bucket, Key=self._name(key), **arguments)[
                    "Body"
                ].read()
            except ClientError as error:
                if _code(error) == "InvalidRange":  # starts at or after the end
                    return b""
                raise

    @override
    @contextmanager
    def open(self, key: str) -> Iterator[Iterator[bytes]]:
        with self._errors(key):
            body = self._client.get_object(Bucket=self._bucket, Key=self._name(key))["Body"]
        try:
            yield body.iter_chunks(BLOCK)
        finally:
            body.close()

    @override
    def download(self, key: str, path: Path) -> None:
        config = TransferConfig(
            multipart_threshold=self._part_bytes,
            multipart_chunksize=self._part_bytes,
            max_concurrency=self._connections,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._errors(key):
            self._client.download_file(self._bucket, self._name(key), str(path), Config=config)

    @override
    def head(self, key: str) -> StoredObject | None:
        size, told = self._look(key)
        return None if size is None else StoredObject(key, size, None if told is None else _label(told))

    @override
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + checked_prefix(prefix)):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # folders that consoles make are no objects of ours
                        yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"])

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        name = self._prefix + checked_prefix(prefix)
        pages = self._client.get_paginator("list_objects_v2")
        with self._errors(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=name, Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"].removeprefix(name).removesuffix("/")

    @override
    def delete(self, key: str) -> None:
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._name(key))

    @override
    def delete_prefix(self, prefix: str) -> int:
        if not prefix:
            raise ValueError("an empty prefix would delete the whole store")
        name = self._prefix + checked_prefix(prefix)
        count = 0
        with self._errors(prefix):
            for uploads in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=name
            ):
                for upload in uploads.get("Uploads", []):
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
            # A page has up to 1,000 names, as many as one delete request takes.
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=name
            ):
                if names := [item["Key"] for item in page.get("Contents", [])]:
                    self._delete_all(names)
                    count += len(names)
        return count

    @override
    def drop_unfinished(self, before: datetime) -> int:
        count = 0
        pages = self._client.get_paginator("list_multipart_uploads")
        with self._errors(""):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] < before and self._drop_upload(
                        upload["Key"], upload["UploadId"], before
                    ):
                        count += 1
        return count

    @override
    def presign(self, key: str, *, seconds: int, filename: str) -> str | None:
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": self._name(key),
                "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            },
            ExpiresIn=seconds,
        )

    @override
    def check(self) -> None:
        try:
            with self._errors(""):
                self._client.head_bucket(Bucket=self._bucket)
        except NotFound:
            raise StoreRefused(f"there is no bucket {self._bucket}") from None

    def _name(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _part_size(self, size: int) -> int:
        return max(self._part_bytes, -(-size // MAX_PARTS))

    def _look(self, key: str) -> tuple[int | None, str | None]:
        """Size and CRC-32 as the service tells them; None for what it does not."""
        try:
            with self._errors(key):
                answer = self._client.head_object(
                    Bucket=self._bucket, Key=self._name(key), ChecksumMode="ENABLED"
                )
        except NotFound:
            return None, None
        told, parts = answer.get("ChecksumCRC32"), answer["ETag"].strip('"').partition("-")[2]
        if told and "-" not in told and parts and answer.get("ChecksumType") != "FULL_OBJECT":
            told += f"-{parts}"  # some services, moto among them, leave the number of parts to the ETag
        return answer["ContentLength"], told

    def _verify(self, key: str, crc: Crc32, told: str | None) -> None:
        stored = self._stored(key, crc, told)
        if stored != crc.text():
            raise Corrupt(f"{self.uri(key)} has CRC-32 {stored}, {crc.text()} was sent")

    def _stored(self, key: str, crc: Crc32, told: str | None) -> str:
        """The stored object's checksum of the same kind as `crc`: as told, else by reading the object back."""
        if told is not None and crc.comparable(told):
            return told
        read = Crc32(crc.part_size)
        with self.open(key) as blocks:
            for block in blocks:
                read.update(block)
        return read.text()

    def _drop_upload(self, name: str, upload_id: str, before: datetime) -> bool:
        """Abort an upload unless a part came since; whether it did. One that ended as we looked is none of ours."""
        upload: dict[str, Any] = {"Bucket": self._bucket, "Key": name, "UploadId": upload_id}
        try:
            for page in self._client.get_paginator("list_parts").paginate(**upload):
                if any(part["LastModified"] >= before for part in page.get("Parts", [])):
                    return False
            self._client.abort_multipart_upload(**upload)
        except ClientError as error:
            if _code(error) == "NoSuchUpload":
                return False
            raise
        return True

    def _delete_all(self, names: Sequence[str]) -> None:
        answer = self._client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": [{"Key": name} for name in names], "Quiet": True}
        )
        for problem in answer.get("Errors", []):
            raise ClientError(
                {"Error": {"Code": problem.get("Code", ""), "Message": problem.get("Message", "")}},
                "DeleteObjects",
            )

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if _code(error) in MISSING:
                raise NotFound(f"There is no object {key}.") from None
            if _code(error) in REFUSED:
                raise StoreRefused(
                    f"bucket {self._bucket}: {error.response['Error'].get('Message', '')} ({_code(error)})"
                ) from error
            raise
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise StoreRefused(f"bucket {self._bucket}: {error}") from error


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")


def _label(checksum: str) -> str:
    return f"crc32:{checksum}"
