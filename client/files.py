"""The files of an upload: which they are, and any part of them as if they were one, opened only while it is read."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import zipfile
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from client.errors import Unusable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A file to send."""

    field: str
    name: str
    path: Path
    size: int
    modified: int  # ms

    def told(self) -> dict[str, Any]:
        """Give it as the API is told of it."""
        return {"field": self.field, "name": self.name, "size": self.size, "modified": self.modified}


@dataclass(frozen=True)
class Stream:
    """Files one after the other, as one stream of bytes."""

    sources: list[Source]
    ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", list(accumulate(source.size for source in self.sources)))

    @property
    def length(self) -> int:
        """Bytes of all files."""
        return self.ends[-1]

    def fingerprint(self, name: str | None) -> str:
        """Give what the same files, unchanged, have in common under the same name."""
        told = [name, [source.told() for source in self.sources]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def read(self, begin: int, size: int) -> bytes:
        """Read a part.

        Raises:
            Unusable: A file was cut or is gone.
        """
        end = min(begin + size, self.length)
        parts = []
        number = bisect_right(self.ends, begin)
        while begin < end:
            source, last = self.sources[number], min(end, self.ends[number])
            start = self.ends[number] - source.size
            try:
                with source.path.open("rb") as file:
                    file.seek(begin - start)
                    parts.append(file.read(last - begin))
            except OSError as error:
                raise Unusable(f"{source.path} cannot be read: {error.strerror}") from None
            if len(parts[-1]) < last - begin:
                raise Unusable(f"{source.path} was cut while it was being uploaded.")
            begin = last
            number += 1
        return b"".join(parts)


def sources(table: Path, images: Path | None) -> list[Source]:
    """List the files of an upload, the table first.

    Args:
        table: The CSV.
        images: A folder, whose images are found at any depth, or a zip; None for a table without images.

    Raises:
        Unusable: One of them is not what it should be.
    """
    if not table.is_file():
        raise Unusable(f"{table} is not a file.")
    found = [("file", table.name, table)]
    if images is not None and images.is_dir():
        files = find_images(images)
        if not files:
            raise Unusable(f"{images} holds no image files.")
        found += [("images", path.relative_to(images).as_posix(), path) for path in files]
    elif images is not None:
        if not zipfile.is_zipfile(images):
            raise Unusable(f"{images} is neither a folder nor a zip.")
        found.append(("archive", images.name, images))
    return [_source(*one) for one in found]


def _source(which: str, name: str, path: Path) -> Source:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Unusable(f"The file name {os.fsencode(name)!r} is not UTF-8; rename it.") from None
    status = path.stat()
    return Source(which, name, path, status.st_size, status.st_mtime_ns // 1_000_000)


def find_images(folder: Path) -> list[Path]:
    """Give the image files under a folder, by their extension, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        # not strict: WebP is no standard's to Python 3.11, which most machines' own tables make up for, and not all
        if (mimetypes.guess_type(path.name, strict=False)[0] or "").startswith("image/")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
