"""Chunks of an upload on disk: received into a file without a name, then put where their bytes belong, by one process at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from werkzeug.exceptions import HTTPException, Locked, RequestEntityTooLarge

from runtime.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.api.checksum import Digest
    from services.api.manifest import Manifest, Piece
    from services.api.models import OpenUpload

_BLOCK = 1024 * 1024


class ChecksumMismatch(HTTPException):
    """A chunk did not arrive as it was sent (tus 1.0)."""

    code = 460
    name = "Checksum Mismatch"
    description = (
        "The chunk does not have the checksum that was sent with it; nothing of it was kept. Send it again."
    )


def receive(
    body: IO[bytes],
    chunk: IO[bytes],
    upload: OpenUpload,
    most_bytes: int,
    checksum: tuple[Digest, bytes] | None,
) -> int:
    """Copy a chunk from a request into a file.

    Args:
        body: Where it comes from.
        chunk: Where it goes.
        upload: Whose it is.
        most_bytes: The most that a chunk may have (UPLOAD_CHUNK_BYTES).
        checksum: Something to count its bytes with, and what it should come to.

    Returns:
        How many bytes it has.

    Raises:
        RequestEntityTooLarge: It has too many.
        ChecksumMismatch: It did not arrive as it was sent.
    """
    left = upload.length - upload.offset
    size = 0
    while block := body.read(_BLOCK):
        size += len(block)
        if size > most_bytes:
            raise RequestEntityTooLarge(
                description=f"The chunk has more than {most_bytes} bytes, the most allowed (UPLOAD_CHUNK_BYTES)."
            )
        if size > left:
            raise RequestEntityTooLarge(
                description=f"The chunk goes beyond the end of the upload, which has {upload.length} bytes."
            )
        if checksum:
            checksum[0].update(block)
        chunk.write(block)
    if checksum and checksum[0].digest() != checksum[1]:
        raise ChecksumMismatch
    return size


def put(chunk: IO[bytes], folder: Path, manifest: Manifest, begin: int, end: int) -> None:
    """Copy a chunk into the files that its bytes belong to.

    Args:
        chunk: What was received.
        folder: The upload's.
        manifest: Its files.
        begin: Where in the upload the chunk begins.
        end: Where it ends.
    """
    chunk.seek(0)
    for piece in manifest.pieces(begin, end):
        _write(chunk, manifest.place(folder, piece.number), piece)


def there(folder: Path, manifest: Manifest, counted: int) -> int:
    """Say how many of the counted bytes the files have, from the beginning on without a gap: a power cut may have taken some."""
    for number in range(len(manifest.files)):
        begin, end = manifest.start(number), min(manifest.ends[number], counted)
        if begin < end and _size(manifest.place(folder, number)) < end - begin:
            return begin
    return counted


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other requests, of other processes too, from an upload's files; freed when the process dies.

    Raises:
        NotFound: The upload has ended.
        Locked: Another request has it, and this one is not to wait.
    """
    try:
        file = (folder / "lock").open("rb")
    except FileNotFoundError:
        raise NotFound(f"The upload {folder.name!r} has ended.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked("Another request is working on this upload; ask again in a moment.") from None
        yield


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _write(chunk: IO[bytes], place: Path, piece: Piece) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:  # what is there stays
        file.seek(piece.at)
        left = piece.size
        while left:
            left -= file.write(chunk.read(min(left, _BLOCK)))
