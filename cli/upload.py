"""Files as parts of one multipart body: each is opened when its turn comes, and never whole in memory."""

from __future__ import annotations

import io
import mimetypes
import os
import zipfile
from typing import TYPE_CHECKING

from typing_extensions import override

from cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Part = tuple[str, tuple[str, "LazyFile"]]


class LazyFile(io.RawIOBase):
    """A file that is open only while it is being read, so that 5,000 of them need one descriptor.

    httpx asks for the length by seeking to the end, then reads from the start.
    """

    def __init__(self, path: Path, advance: Callable[[int], object]) -> None:
        """Name the file.

        Args:
            path: The file.
            advance: Told the number of bytes of each read.
        """
        super().__init__()
        self._path = path
        self._advance = advance
        self._file: io.BufferedReader | None = None

    @override
    def readable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._file.tell() if self._file else 0

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._path.stat().st_size + offset
        if self._file:
            self._file.close()
            self._file = None
        if offset:
            raise io.UnsupportedOperation("only to the start or the end")
        return 0

    @override
    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb")
        chunk = self._file.read(size)
        if not chunk:
            self._file.close()
            self._file = None
        self._advance(len(chunk))
        return chunk


def parts(table: Path, images: Path | None, advance: Callable[[int], object]) -> tuple[list[Part], int]:
    """List the parts of an upload.

    Args:
        table: The CSV.
        images: A folder, whose images are found at any depth, or a zip; None for a table without images.
        advance: Told the number of bytes as they are read.

    Returns:
        The parts, and how many bytes their files have together.

    Raises:
        CommandFailed: One of them is not what it should be.
    """
    if not table.is_file():
        raise CommandFailed(f"{table} is not a file.")
    found = [("file", table.name, table)]
    if images is not None and images.is_dir():
        files = find_images(images)
        if not files:
            raise CommandFailed(f"{images} holds no image files.")
        found += [("images", path.relative_to(images).as_posix(), path) for path in files]
    elif images is not None:
        if not zipfile.is_zipfile(images):
            raise CommandFailed(f"{images} is neither a folder nor a zip.")
        found.append(("archive", images.name, images))
    total = sum(path.stat().st_size for _, _, path in found)
    return [(field, (name, LazyFile(path, advance))) for field, name, path in found], total


def find_images(folder: Path) -> list[Path]:
    """Give the image files under a folder, by their extension, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if (mimetypes.guess_type(path.name)[0] or "").startswith("image/")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
