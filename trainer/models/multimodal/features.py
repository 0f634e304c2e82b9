"""All encoders of a model together: fitted on training rows, saved with the weights, used again in prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from contracts.schema import ColumnType
from trainer.columns import Column
from trainer.features.saved import below, prefixed
from trainer.features.text import TextFeatures
from trainer.models.multimodal.batches import Encoded, Shapes
from trainer.models.multimodal.images import ImageCache, build_cache
from trainer.models.multimodal.tabular import TabularEncoder
from trainer.models.multimodal.texts import TextCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder

NO_VECTORS = TextCache()  # where there is no sentence encoder


def vector_column(text: str) -> Column:
    """Name the column that holds a text column's vectors, as no table names one."""
    return Column(name=f"{text}\x1fvector", type=ColumnType.TEXT, modality="vector")


class Features:
    """Encoders of every column, by modality."""

    def __init__(
        self,
        columns: Sequence[Column],
        image_size: int,
        texts: dict[str, TextFeatures],
        tabular: TabularEncoder,
    ) -> None:
        self._columns = list(columns)
        self._images = [column.name for column in columns if column.modality == "image"]
        self._image_size = image_size
        self._texts = texts
        self._tabular = tabular

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        columns: Sequence[Column],
        *,
        image_size: int,
        text_features: int,
        text_max_chars: int,
    ) -> Self:
        """Fit every encoder.

        Args:
            frame: The training rows, typed; no other row may be seen here.
            columns: The features.
            image_size: Pixels of the square that images are fitted into.
            text_features: Most n-grams kept of each text column.
            text_max_chars: Characters of a text that are read.
        """
        texts = {
            column.name: TextFeatures.fit(frame[column.name], text_features, text_max_chars)
            for column in columns
            if column.modality == "text"
        }
        tabular = TabularEncoder.fit(frame, [column for column in columns if column.modality == "tabular"])
        return cls(columns, image_size, texts, tabular)

    def decode(
        self,
        frame: pl.DataFrame,
        images: ImageFolder | None,
        folder: Path,
        progress: Callable[[float], None] = lambda _: None,
    ) -> tuple[ImageCache, list[str]]:
        """Decode the images that some rows name.

        Args:
            frame: The rows, typed.
            images: Where the images lie.
            folder: Where the decoded images are kept.
            progress: Told the share that is done.

        Returns:
            The decoded images, and the paths of those that could not be decoded.
        """
        if images is None or not self._images:
            folder.mkdir(parents=True, exist_ok=True)
            nothing = np.zeros((1, self._image_size, self._image_size, 3), np.uint8)
            return ImageCache(nothing, {}, folder), []
        paths = {path for name in self._images for path in frame[name].explode().drop_nulls()}
        return build_cache(sorted(paths), images, self._image_size, folder, progress)

    def texts(self, frame: pl.DataFrame) -> pl.Series:
        """Give the distinct texts of some rows, each as far as it is read, sorted."""
        read = [features.read(frame[name]) for name, features in self._texts.items()]
        return pl.concat([pl.Series([], dtype=pl.String), *read]).drop_nulls().unique().sort()

    def encode(self, frame: pl.DataFrame, cache: ImageCache, texts: TextCache = NO_VECTORS) -> Encoded:
        """Encode any rows, typed as those fitted on; an image that is not in the cache is missing, a text must be there."""
        reals, codes = self._tabular.encode(frame)
        return Encoded(
            cache.pixels,
            cache.fixed,
            [cache.numbers(frame[name].to_list()) for name in self._images],
            [features.transform(frame[name]) for name, features in self._texts.items()],
            [frame[name].is_null().to_numpy() for name in self._texts],
            texts.vectors,
            [texts.numbers(features.read(frame[name])) for name, features in self._texts.items()],
            reals,
            codes,
        )

    def with_vectors(self, frame: pl.DataFrame, texts: TextCache) -> pl.DataFrame:
        """Put beside each text column of some rows a column of its vectors, NaN where it is missing; none without an encoder."""
        if not texts.vectors.shape[1]:
            return frame
        added = []
        for name, features in self._texts.items():
            vectors = texts.vectors[texts.numbers(features.read(frame[name]))]
            vectors[frame[name].is_null().to_numpy()] = np.nan
            added.append(pl.Series(vector_column(name).name, vectors))
        return frame.with_columns(added)

    def shapes(self, encoded: Encoded) -> Shapes:
        """Give what decides the network's size."""
        return Shapes(
            image_columns=len(self._images),
            fixed=encoded.fixed.shape[1],
            text_features=[len(features) for features in self._texts.values()],
            reals=encoded.reals.shape[1],
            cardinalities=self._tabular.cardinalities,
            sentence=encoded.sentences.shape[1],
        )

    def to_json(self) -> dict[str, Any]:
        """Give the part of what was fitted that is no array."""
        return {
            "columns": [column.model_dump(mode="json") for column in self._columns],
            "image_size": self._image_size,
            "tabular": self._tabular.to_json(),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays of what was fitted."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, text in enumerate(self._texts.values()):
            arrays |= prefixed(f"text/{number}", text.arrays())
        return arrays

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the encoders again from what ``to_json`` and ``arrays`` gave."""
        columns = [Column.model_validate(column) for column in saved["columns"]]
        texts = [column.name for column in columns if column.modality == "text"]
        tabular_columns = [column for column in columns if column.modality == "tabular"]
        return cls(
            columns,
            saved["image_size"],
            {name: TextFeatures(below(f"text/{number}", arrays)) for number, name in enumerate(texts)},
            TabularEncoder.from_json(tabular_columns, saved["tabular"]),
        )
