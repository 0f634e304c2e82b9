"""Objects that a sender outside puts into the store itself, part by part, over addresses signed for exactly those bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from runtime.errors import NotFound
from runtime.storage.base import Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from mypy_boto3_s3.client import S3Client

MAX_PARTS = 10_000  # of one multipart upload; S3's limit
_GONE = "NoSuchUpload"


class Part(NamedTuple):
    """A part that the store has."""

    number: int  # from 1 on
    size: int
    etag: str
    crc32: str  # as S3 writes it, in base64; empty where the store tells none


class SignedPart(NamedTuple):
    """An address that takes one part by PUT, with these headers and no other bytes than they say."""

    url: str
    headers: Mapping[str, str]


class DirectUploads(Protocol):
    """Multipart uploads whose parts come from elsewhere."""

    def begin(self, key: str, size: int) -> tuple[str, int]:
        """Begin one; gives its id and the bytes of every part but the last."""
        ...

    def sign(self, key: str, upload: str, number: int, size: int, crc32: str, seconds: int) -> SignedPart:
        """Sign an address for one part: its number, its size and its CRC-32 are part of what is signed."""
        ...

    def parts(self, key: str, upload: str) -> Sequence[Part]:
        """List the parts that are there, by number.

        Raises:
            NotFound: The upload has ended.
        """
        ...

    def finish(self, key: str, upload: str, parts: Sequence[Part], size: int) -> None:
        """Make an object of the parts.

        Raises:
            NotFound: The upload has ended.
            Corrupt: The object has another size.
        """
        ...


class S3Direct(DirectUploads):
    """Multipart uploads of S3, with a CRC-32 of each part that S3 compares with what it receives.

    What moto does not show: it verifies neither signatures nor expiry nor checksums, so that an address which S3 would refuse
    (another length, other bytes, another time) passes there. That they are signed is tested on the address itself.

    Args:
        client: boto3's client.
        bucket: Bucket name.
        name: Gives the bucket's name of a key.
        part_size: Gives the bytes of a part for an object's size.
        errors: Turns S3's refusals into those of a store.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        name: Callable[[str], str],
        part_size: Callable[[int], int],
        errors: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._name = name
        self._part_size = part_size
        self._errors = errors

    def begin(self, key: str, size: int) -> tuple[str, int]:
        """As `DirectUploads`."""
        with self._errors(key):
            answer = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=self._name(key), ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE"
            )
        return answer["UploadId"], self._part_size(size)

    def sign(self, key: str, upload: str, number: int, size: int, crc32: str, seconds: int) -> SignedPart:
        """As `DirectUploads`."""
        wanted = {"PartNumber": number, "ContentLength": size, "ChecksumCRC32": crc32}
        url = self._client.generate_presigned_url(
            "upload_part", Params={**self._of(key, upload), **wanted}, ExpiresIn=seconds
        )
        return SignedPart(url, {"x-amz-checksum-crc32": crc32})

    def parts(self, key: str, upload: str) -> Sequence[Part]:
        """As `DirectUploads`."""
        with self._errors(key), _gone(upload):
            return [
                Part(part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumCRC32", ""))
                for page in self._client.get_paginator("list_parts").paginate(**self._of(key, upload))
                for part in page.get("Parts", [])
            ]

    def finish(self, key: str, upload: str, parts: Sequence[Part], size: int) -> None:
        """As `DirectUploads`."""
        told: list[Any] = [
            {"PartNumber": part.number, "ETag": part.etag}
            | ({"ChecksumCRC32": part.crc32} if part.crc32 else {})
            for part in parts
        ]
        with self._errors(key), _gone(upload):
            self._client.complete_multipart_upload(
                **self._of(key, upload), MultipartUpload={"Parts": told}, MpuObjectSize=size
            )
            stored = self._client.head_object(Bucket=self._bucket, Key=self._name(key))["ContentLength"]
        if stored != size:
            raise Corrupt(f"{key} has {stored} bytes, {size} were announced")

    def _of(self, key: str, upload: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._name(key), "UploadId": upload}


@contextmanager
def _gone(upload: str) -> Iterator[None]:
    """Say that an upload has ended where S3 does not know it."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"].get("Code") == _GONE:
            raise NotFound(f"The store has no unfinished upload {upload!r}.") from None
        raise
