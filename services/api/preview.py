"""The first rows of an upload, and thumbnails of its images, from the spool or from where they were staged."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from contracts.schema import ColumnType
from contracts.shards import INDEX_NAME, ShardIndex
from runtime.errors import Invalid, NotFound
from services.api.intake import safe_name
from tabular.images import ImageIndex
from tabular.reader import read_head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contracts.schema import DatasetSchema
    from runtime.storage import ObjectStore
    from services.api.intake import Upload
    from services.api.models import Dataset

ROWS = 50
_LONGEST_CELL = 2000  # characters; a preview shows the rest as …


def head(upload: Upload, detected: DatasetSchema) -> dict[str, Any]:
    """Read the first rows of an upload.

    Returns:
        JSON of {"columns": names, "rows": cells as text or None, "files": for each row, {image column: file or None}}.
    """
    frame = read_head(upload.table, detected.dialect, rows=ROWS)
    rows = [[_cut(cell) for cell in row] for row in frame.rows()]
    index = ImageIndex(upload.files)
    images = [column.name for column in detected.columns if column.type is ColumnType.IMAGE]
    positions = {name: frame.columns.index(name) for name in images}
    files = [{name: _file(index, row[at]) for name, at in positions.items()} for row in rows]
    return {"columns": frame.columns, "rows": rows, "files": files}


def _cut(cell: str | None) -> str | None:
    return cell if cell is None or len(cell) <= _LONGEST_CELL else cell[:_LONGEST_CELL] + "…"


def _file(index: ImageIndex, cell: str | None) -> str | None:
    match = index.match(cell) if cell else None
    return match.path if match else None


class Files:
    """The uploaded files of data sets, wherever they lie now."""

    def __init__(self, spool_dir: Path, store: ObjectStore, max_pixels: int) -> None:
        self._spool_dir = spool_dir
        self._store = store
        self._max_pixels = max_pixels
        # Some indexes are kept, since a page of thumbnails asks for the same one many times
        self._index: Callable[[str], ShardIndex | None] = lru_cache(maxsize=8)(self._read_index)

    def read(self, dataset: Dataset, path: str) -> bytes:
        """Read one file.

        Raises:
            NotFound: The data set has no such file.
        """
        name = safe_name(path)
        try:
            return (self._spool_dir / dataset.id / "files" / name).read_bytes()
        except OSError:
            pass  # staged and gone from the spool, or never there
        if dataset.train_folder is None:
            raise NotFound(f"The data set has no file {name!r}.")
        folder = self._store.key_of(dataset.train_folder.rstrip("/"))
        index = self._index(folder)
        if index is None:
            return self._store.get_bytes(f"{folder}/{name}")
        entry = index.files.get(name)
        if entry is None:
            raise NotFound(f"The data set has no file {name!r}.")
        return self._store.get_bytes(f"{folder}/{index.shards[entry.shard].name}", entry.offset, entry.size)

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
            with Image.open(io.BytesIO(raw)) as image:
                if image.width * image.height > self._max_pixels:
                    raise Invalid(
                        f"{path!r} has {image.width}x{image.height} pixels; at most {self._max_pixels} are decoded."
                    )
                image.draft("RGB", (size * 2, size * 2))  # lets a JPEG be decoded at a fraction of its size
                small = ImageOps.exif_transpose(image).convert("RGBA")
                small.thumbnail((size, size))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise Invalid(f"{path!r} is not an image that can be shown: {error}") from None
        out = io.BytesIO()
        small.save(out, "WEBP", quality=80)
        return out.getvalue()

    def _read_index(self, folder: str) -> ShardIndex | None:
        try:
            return ShardIndex.model_validate(json.loads(self._store.get_bytes(f"{folder}/{INDEX_NAME}")))
        except NotFound:
            return None
