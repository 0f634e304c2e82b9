"""A job's inputs as local files: the table, and its images as loose files or straight out of downloaded tar shards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from contracts.shards import INDEX_NAME, ShardIndex
from tabular.imagelimits import ImageLimits
from tabular.images import ImageIndex
from trainer import objects
from trainer.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from contracts.job import JobSpec


class ImageFolder(Protocol):
    """Files by their relative paths with forward slashes."""

    @property
    def limits(self) -> ImageLimits:
        """How large an image may be that is decoded."""

    @property
    def broken(self) -> dict[str, str]:
        """Those that could not be decoded so far, and why; ``trainer.decoding.decode_file`` adds to it."""

    @property
    def paths(self) -> Sequence[str]:
        """Every file, sorted."""

    @property
    def index(self) -> ImageIndex:
        """Finds the file that a cell means."""

    def read(self, path: str) -> bytes:
        """Give a file's bytes, of one that is too large only a byte more than may be; safe from several threads."""

    def size(self, path: str) -> int:
        """Give a file's size in bytes."""


class LooseFiles:
    """A folder of plain files."""

    def __init__(self, root: Path, limits: ImageLimits | None = None) -> None:
        self._root = root
        self.limits = limits or ImageLimits()
        self.broken: dict[str, str] = {}
        self.paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    @cached_property
    def index(self) -> ImageIndex:
        """Finds the file that a cell means."""
        return ImageIndex(self.paths)

    def read(self, path: str) -> bytes:
        """Give a file's bytes."""
        with (self._root / path).open("rb") as file:
            return file.read(self.limits.file_bytes + 1)

    def size(self, path: str) -> int:
        """Give a file's size in bytes."""
        return (self._root / path).stat().st_size


class ShardedFiles:
    """A set of tar files with an index; bytes are read by offset, nothing is unpacked."""

    def __init__(self, root: Path, limits: ImageLimits | None = None) -> None:
        """Open the shard set in a folder.

        Raises:
            DataError: Its index is not one, or a shard is absent or of another size than the index says.
        """
        try:
            shards = ShardIndex.model_validate_json((root / INDEX_NAME).read_bytes())
        except ValidationError as error:
            raise DataError(f"{INDEX_NAME} is not an index of shards: {error}") from None
        self.limits = limits or ImageLimits()
        self.broken: dict[str, str] = {}
        self._files = []
        for shard in shards.shards:
            path = root / shard.name
            size = path.stat().st_size if path.is_file() else -1
            if size != shard.size:
                raise DataError(f"shard {shard.name} has {size} bytes, its index says {shard.size}")
            self._files.append(os.open(path, os.O_RDONLY))
        self._entries = shards.files
        self.paths = sorted(shards.files)

    @cached_property
    def index(self) -> ImageIndex:
        """Finds the file that a cell means."""
        return ImageIndex(self.paths)

    def read(self, path: str) -> bytes:
        """Give a file's bytes."""
        entry = self._entries[path]
        return os.pread(self._files[entry.shard], min(entry.size, self.limits.file_bytes + 1), entry.offset)

    def size(self, path: str) -> int:
        """Give a file's size in bytes."""
        return self._entries[path].size


@dataclass(frozen=True)
class Inputs:
    """Everything a job reads."""

    table: Path
    images: ImageFolder | None


def open_images(root: Path, limits: ImageLimits | None = None) -> ImageFolder:
    """Open a local folder as what it is: a shard set exactly when it holds an index."""
    return ShardedFiles(root, limits) if (root / INDEX_NAME).is_file() else LooseFiles(root, limits)


def fetch_inputs(
    spec: JobSpec, folder: Path, progress: Callable[[float], None], limits: ImageLimits | None = None
) -> Inputs:
    """Download a job's inputs; file:// ones are read in place.

    Args:
        spec: Its assets are the inputs.
        folder: Where downloads are put.
        progress: Told the share that is there, 0 to 1.
        limits: How large an image may be that is decoded.

    Raises:
        DataError: One does not exist, may not be read or is damaged.
    """
    table = objects.fetch(spec.asset("train_file") or "", folder / "table")
    train_folder = spec.asset("train_folder")
    if train_folder is None:
        return Inputs(table, None)
    return Inputs(table, open_images(fetch_images(train_folder, folder / "images", progress), limits))


def fetch_images(uri: str, folder: Path, progress: Callable[[float], None]) -> Path:
    """Make a folder of images local, given its prefix or, of a shard set, its index; see ``objects.fetch_folder``."""
    return objects.fetch_folder(uri.removesuffix(f"/{INDEX_NAME}"), folder, progress)
