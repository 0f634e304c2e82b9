"""The table and the files of data sets, from the spool or from where they were staged."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from PIL import ImageOps

from contracts.shards import INDEX_NAME, ShardIndex
from runtime.errors import Invalid, NotFound
from services.api.direct import stream_of
from services.api.names import safe_name, shown
from tabular.pictures import Undecodable, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contracts.stream import StreamIndex
    from runtime.storage import ObjectStore
    from services.api.models import Dataset
    from tabular.imagelimits import ImageLimits

Found = TypeVar("Found")

_ANY_DEPTH = 1000  # it was counted when the file came, by the limit of that day
_LISTED = 10_000  # plain objects of a store, a thousand to a request


def look_twice(look: Callable[[], Found]) -> Found:
    """Look a data set up and read its files, once more where a file was not there.

    It may have been staged, and gone from the spool, between the two steps: then the data set now says where to.

    Args:
        look: Does both, outside of any transaction but its own.

    Raises:
        NotFound: It is not there the second time either.
    """
    try:
        return look()
    except NotFound:
        return look()


class Files:
    """The uploaded files of data sets, wherever they lie now."""

    def __init__(self, spool_dir: Path, store: ObjectStore, limits: ImageLimits) -> None:
        self._spool_dir = spool_dir
        self._store = store
        self._limits = limits
        # Some indexes are kept, since a page of thumbnails asks for the same one many times
        self._streams: Callable[[str], StreamIndex] = lru_cache(maxsize=4)(self._read_stream)
        self._index: Callable[[str], ShardIndex | None] = lru_cache(maxsize=8)(self._read_index)

    def read(self, dataset: Dataset, path: str) -> bytes:
        """Read one file; of one that is too large for an image only a byte more than may be.

        Raises:
            NotFound: The data set has no such file.
        """
        name = safe_name(path, folders=_ANY_DEPTH)
        most = self._limits.file_bytes + 1
        try:
            with (self._spool_dir / dataset.id / "files" / name).open("rb") as file:
                return file.read(most)
        except OSError:
            pass  # staged and gone from the spool, or never there
        if dataset.train_folder is None:
            stream = self._stream(dataset.id)
            if stream is None or name not in stream.files:
                raise NotFound(f"The data set has no file {name!r}.")
            span = stream.files[name]
            return self._store.get_bytes(stream.key, span.offset, min(span.size, most))
        folder = self._store.key_of(dataset.train_folder.rstrip("/"))
        index = self._index(folder)
        if index is None:
            return self._store.get_bytes(f"{folder}/{name}", 0, most)
        entry = index.files.get(name)
        if entry is None:
            raise NotFound(f"The data set has no file {name!r}.")
        shard = f"{folder}/{index.shards[entry.shard].name}"
        return self._store.get_bytes(shard, entry.offset, min(entry.size, most))

    def names(self, dataset: Dataset) -> list[str]:
        """List a data set's files; of very many plain objects in a store, the first ones.

        Raises:
            NotFound: As in read_table.
        """
        root = self._spool_dir / dataset.id / "files"
        try:
            found = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        except OSError:
            found = []  # it is being removed
        if found or not dataset.files:
            return sorted(found)
        if dataset.train_folder is None:
            if (stream := self._stream(dataset.id)) is not None:
                return sorted(stream.files)
            raise NotFound("The files of the data set are not there.")
        folder = self._store.key_of(dataset.train_folder.rstrip("/"))
        index = self._index(folder)
        if index is not None:
            return sorted(index.files)
        return [entry.key.removeprefix(f"{folder}/") for entry in islice(self._store.list(folder), _LISTED)]

    def read_table(self, dataset: Dataset, start: int, length: int) -> bytes:
        """Read bytes of a data set's table from a position on.

        Raises:
            NotFound: It is not there; it may have been staged since the data set was looked up.
        """
        try:
            with (self._spool_dir / dataset.id / "table.csv").open("rb") as file:
                file.seek(start)
                return file.read(length)
        except OSError:
            pass  # as in read
        if dataset.train_file is None:
            stream = self._stream(dataset.id)
            if stream is None:
                raise NotFound("The table of the data set is not there.")
            left = max(stream.table.size - start, 0)
            return self._store.get_bytes(stream.key, stream.table.offset + start, min(length, left))
        return self._store.get_bytes(self._store.key_of(dataset.train_file), start, length)

    def thumbnail(self, dataset: Dataset, path: str, size: int) -> bytes:
        """Make a WebP that fits a square.

        Args:
            dataset: Whose file.
            path: The file.
            size: Pixels of the square's side.

        Raises:
            NotFound: The data set has no such file.
            Invalid: It is not an image that can be decoded, or it is too large.
        """
        raw = self.read(dataset, path)
        try:
            with opened(raw, self._limits) as image:
                image.draft("RGB", (size * 2, size * 2))  # lets a JPEG be decoded at a fraction of its size
                small = ImageOps.exif_transpose(image).convert("RGBA")
                small.thumbnail((size, size))
        except Undecodable as error:
            raise Invalid(f"{shown(path)} cannot be shown: {error}.") from None
        out = io.BytesIO()
        small.save(out, "WEBP", quality=80)
        return out.getvalue()

    def _read_index(self, folder: str) -> ShardIndex | None:
        try:
            return ShardIndex.model_validate(json.loads(self._store.get_bytes(f"{folder}/{INDEX_NAME}")))
        except NotFound:
            return None

    def _stream(self, dataset_id: str) -> StreamIndex | None:
        """Say where files lie that their sender put into the store and that are not staged yet."""
        try:
            return self._streams(dataset_id)
        except NotFound:
            return None

    def _read_stream(self, dataset_id: str) -> StreamIndex:
        found = stream_of(self._spool_dir / dataset_id)
        if found is None:
            raise NotFound(dataset_id)  # an answer that is not kept
        return found
