"""What an object store offers, whichever one the URL chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from runtime.storage.direct import DirectUploads

Progress = Callable[[int], None]

BLOCK = 1 << 20  # bytes read at a time: large enough that Python's cost per call vanishes
PART_PREFIX = ".part-"  # a FileStore's unfinished writes; no key may look like one
MAX_KEY_BYTES = 1024  # S3's limit


@dataclass(frozen=True)
class StoredObject:
    """One object as its store describes it.

    Attributes:
        key: Name relative to the store.
        size: Bytes.
        checksum: `algorithm:value` where the store told one, else None.
    """

    key: str
    size: int
    checksum: str | None = None


class StoreRefused(Exception):
    """The store will refuse this however often it is tried (no such bucket, no permission); the text says what."""


class Corrupt(Exception):
    """The store holds other bytes than were sent; sending them again may help."""


class BadKey(ValueError):
    """A key no store takes; the text names it and what is wrong."""


class SizeMismatch(ValueError):
    """A source does not yield as many bytes as were announced."""


class Readable(Protocol):
    """Anything bytes can be read from, once, in order."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; fewer only at the end, empty after it."""
        ...


class ObjectStore(Protocol):
    """Named byte strings under one URL.

    Keys are relative names with '/' between their parts. A prefix is a folder name: `a/b` covers `a/b/c`
    but not `a/bc`; the empty prefix covers everything. Every method raises BadKey for a bad key,
    StoreRefused for what another try cannot cure, and the back end's own error for what it may.
    A `progress` function gets the bytes that moved since its last call, negative when a part is sent again,
    and may be called from several threads.
    """

    @property
    def direct(self) -> DirectUploads | None:
        """Uploads that go from their sender straight to the store; None if it serves nobody else."""
        ...

    def uri(self, key: str) -> str:
        """The object's full address: `s3://bucket/key` as it is, `file:///folder/key` percent-encoded."""
        ...

    def key_of(self, uri: str) -> str:
        """The key of an address made by `uri`.

        Raises:
            ValueError: If it does not lie in this store.
        """
        ...

    def put_bytes(
        self, key: str, data: bytes, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Store a small object; it appears whole or not at all, verified as by `put_stream`."""
        ...

    def put_file(self, key: str, path: Path, *, progress: Progress | None = None) -> StoredObject:
        """Store a file's content; see `put_stream`."""
        ...

    def put_stream(
        self, key: str, source: Readable, size: int, *, progress: Progress | None = None
    ) -> StoredObject:
        """Store what `source` yields, with bounded memory; it appears whole or not at all.

        The checksum of the bytes read is compared with that of the bytes stored.

        Raises:
            Corrupt: If the two differ; what is stored then must be put again or deleted.
            SizeMismatch: If the source does not yield exactly `size` bytes.
        """
        ...

    def holds(self, key: str, source: Readable, size: int) -> bool:
        """Whether the object exists with exactly these bytes, told by size and checksum."""
        ...

    def get_bytes(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or `length` of them from `start` (fewer where it ends earlier).

        Raises:
            NotFound: If there is no such object.
        """
        ...

    def open(self, key: str) -> AbstractContextManager[Iterator[bytes]]:
        """The object's bytes in blocks, for sending on: `with store.open(key) as blocks`.

        Raises:
            NotFound: If there is no such object; on call, before the first block.
        """
        ...

    def download(self, key: str, path: Path) -> None:
        """Copy the object to a file, which appears whole or not at all.

        Raises:
            NotFound: If there is no such object.
        """
        ...

    def head(self, key: str) -> StoredObject | None:
        """What is known of the object without reading it, or None if there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every object under a folder, in the order of their keys' bytes."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """The names of the folders directly below a folder, in no promised order; S3: a request for each thousand."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Remove every object under a folder, and unfinished uploads to it; gives the number of objects.

        Raises:
            ValueError: For the empty prefix.
        """
        ...

    def drop_unfinished(self, before: datetime) -> int:
        """Remove what is left of writes that never ended and that nothing was added to since a moment; gives their number.

        S3: a request for each thousand unfinished uploads, and two for each that began before the moment. A folder: a walk
        through all of it.
        """
        ...

    def presign(self, key: str, *, seconds: int, filename: str) -> str | None:
        """A link that downloads the object as `filename` for so long; None if the store serves no HTTP itself."""
        ...

    def check(self) -> None:
        """Raise unless the store can be reached and written to, as far as that shows without writing."""
        ...


def checked_key(key: str) -> str:
    """The key itself.

    Raises:
        BadKey: If it is not a relative name of non-empty parts without '..', backslash or control characters.
    """
    parts = key.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        problem = "every part between slashes must be a name"
    elif "\\" in key or any(ord(character) < 32 or ord(character) == 127 for character in key):  # noqa: PLR2004 - ASCII's control characters
        problem = "backslashes and control characters are not allowed"
    elif any(part.startswith(PART_PREFIX) for part in parts):
        problem = f"no part may start with {PART_PREFIX}"
    elif len(key.encode(errors="replace")) > MAX_KEY_BYTES:
        problem = f"at most {MAX_KEY_BYTES} bytes are allowed"
    elif any("\ud800" <= character <= "\udfff" for character in key):
        problem = "it is not valid Unicode"
    else:
        return key
    raise BadKey(f"bad object key {key!r}: {problem}")


def checked_prefix(prefix: str) -> str:
    """The prefix with one slash at its end, or empty for everything.

    Raises:
        BadKey: As `checked_key`.
    """
    return checked_key(prefix.removesuffix("/")) + "/" if prefix else ""


def blocks_of(source: Readable) -> Iterator[bytes]:
    """What is left of a source, in blocks."""
    while block := source.read(BLOCK):
        yield block
