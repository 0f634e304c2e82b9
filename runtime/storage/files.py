"""An object store that is a folder of this machine."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from typing_extensions import override

from runtime.errors import NotFound
from runtime.storage.base import (
    PART_PREFIX,
    Corrupt,
    ObjectStore,
    SizeMismatch,
    StoredObject,
    StoreRefused,
    blocks_of,
    checked_key,
    checked_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from runtime.storage.base import Progress, Readable


class FileStore(ObjectStore):
    """Objects as files under one folder. `head` and `list` tell no checksum: that would read the file.

    Args:
        root: The folder; made if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        with _refusals(self._root):
            self._root.mkdir(parents=True, exist_ok=True)

    @property
    @override
    def direct(self) -> None:
        return None

    @override
    def uri(self, key: str) -> str:
        return self._path(key).as_uri()

    @override
    def key_of(self, uri: str) -> str:
        base = self._root.as_uri().rstrip("/") + "/"
        if not uri.startswith(base):
            raise ValueError(f"{uri!r} does not lie in {base}")
        return checked_key(os.fsdecode(unquote_to_bytes(uri.removeprefix(base))))

    @override
    def put_bytes(
        self,
        key: str,
        data: bytes,
        content_type: str = "application/octet-stream",
    ) -> StoredObject:
        return self.put_stream(key, io.BytesIO(data), len(data))

    @override
    def put_file(self, key: str, path: Path, *, progress: Progress | None = None) -> StoredObject:
        with path.open("rb") as source:
            return self.put_stream(key, source, os.fstat(source.fileno()).st_size, progress=progress)

    @override
    def put_stream(
        self, key: str, source: Readable, size: int, *, progress: Progress | None = None
    ) -> StoredObject:
        """Store what `source` yields.

        Verified by reading the new file again before it gets its name (SHA-256). The page cache may answer that
        read, so it finds a copy gone wrong, not a disk gone bad.
        """
        path = self._path(key)
        with _refusals(path), _appearing_whole(path) as part:
            sent = _write(part, source, progress)
            if part.stat().st_size != size:
                raise SizeMismatch(f"the source has {part.stat().st_size} bytes, not the {size} announced")
            with part.open("rb") as written:
                if hashlib.file_digest(written, "sha256").hexdigest() != sent:
                    raise Corrupt(f"{path} does not hold the bytes that were written")
        return StoredObject(key, size, f"sha256:{sent}")

    @override
    def holds(self, key: str, source: Readable, size: int) -> bool:
        stored = self.head(key)
        if stored is None or stored.size != size:
            return False
        digest = hashlib.sha256()
        for block in blocks_of(source):
            digest.update(block)
        with self._path(key).open("rb") as written:
            return hashlib.file_digest(written, "sha256").digest() == digest.digest()

    @override
    def get_bytes(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self._reading(key) as source:
            source.seek(start)
            return source.read() if length is None else source.read(length)

    @override
    @contextmanager
    def open(self, key: str) -> Iterator[Iterator[bytes]]:
        with self._reading(key) as source:
            yield blocks_of(source)

    @override
    def download(self, key: str, path: Path) -> None:
        with self._reading(key) as source, _appearing_whole(path) as part, part.open("wb") as target:
            shutil.copyfileobj(source, target)

    @override
    def head(self, key: str) -> StoredObject | None:
        path = self._path(key)
        return StoredObject(key, path.stat().st_size) if path.is_file() else None

    @override
    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        folder = self._root / checked_prefix(prefix)
        found = [
            (path, path.stat().st_size)
            for path in folder.rglob("*")
            if not path.name.startswith(PART_PREFIX) and path.is_file()
        ]
        named = ((path.relative_to(self._root).as_posix(), size) for path, size in found)
        for key, size in sorted(named, key=lambda item: os.fsencode(item[0])):
            yield StoredObject(key, size)

    @override
    def folders(self, prefix: str) -> Iterator[str]:
        try:
            entries = os.scandir(self._root / checked_prefix(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return
        with entries:
            yield from (entry.name for entry in entries if entry.is_dir())

    @override
    def delete(self, key: str) -> None:
        path = self._path(key)
        with _refusals(path):
            path.unlink(missing_ok=True)

    @override
    def delete_prefix(self, prefix: str) -> int:
        if not prefix:
            raise ValueError("an empty prefix would delete the whole store")
        count = sum(1 for _ in self.list(prefix))
        folder = self._root / checked_prefix(prefix)
        with _refusals(folder):
            if folder.is_dir():
                shutil.rmtree(folder)
        return count

    @override
    def drop_unfinished(self, before: datetime) -> int:
        count = 0
        for path in self._root.rglob(f"{PART_PREFIX}*"):
            with suppress(FileNotFoundError):  # it was finished as we looked
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    count += 1
        return count

    @override
    def presign(self, key: str, *, seconds: int, filename: str) -> str | None:
        checked_key(key)
        return None

    @override
    def check(self) -> None:
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise StoreRefused(f"{self._root} is missing or may not be written to")

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[io.BufferedReader]:
        path = self._path(key)
        try:
            source = path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"There is no object {key}.") from None
        with source:
            yield source


def _write(path: Path, source: Readable, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as target:
        for block in blocks_of(source):
            target.write(block)
            digest.update(block)
            if progress:
                progress(len(block))
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


@contextmanager
def _appearing_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, and goes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{PART_PREFIX}{uuid4().hex}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)  # the new name itself must survive a power cut too
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise StoreRefused(f"{path} cannot be written: {error.strerror}") from error
