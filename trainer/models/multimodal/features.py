"""All encoders of a model together: fitted on training rows, saved with the weights, used again in prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from trainer.columns import Column
from trainer.models.multimodal.batches import Encoded, Shapes
from trainer.models.multimodal.images import build_cache
from trainer.models.multimodal.tabular import TabularEncoder
from trainer.models.multimodal.text import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder
    from trainer.models.multimodal.params import Params


class Features:
    """Encoders of every column, by modality."""

    def __init__(
        self,
        columns: Sequence[Column],
        image_size: int,
        texts: dict[str, TextEncoder],
        tabular: TabularEncoder,
    ) -> None:
        self._columns = list(columns)
        self._images = [column.name for column in columns if column.modality == "image"]
        self._image_size = image_size
        self._texts = texts
        self._tabular = tabular

    @classmethod
    def fit(cls, frame: pl.DataFrame, columns: Sequence[Column], params: Params) -> Self:
        """Fit every encoder.

        Args:
            frame: The training rows, typed; no other row may be seen here.
            columns: The features.
            params: Limits of the text features, and the images' size.
        """
        texts = {
            column.name: TextEncoder.fit(frame[column.name], params.text_features, params.text_max_chars)
            for column in columns
            if column.modality == "text"
        }
        tabular = TabularEncoder.fit(frame, [column for column in columns if column.modality == "tabular"])
        return cls(columns, params.image_size, texts, tabular)

    def encode(
        self,
        frame: pl.DataFrame,
        images: ImageFolder | None,
        cache: Path,
        progress: Callable[[float], None] = lambda _: None,
    ) -> tuple[Encoded, list[str]]:
        """Encode rows.

        Args:
            frame: Any rows, typed as those fitted on.
            images: Where their images lie.
            cache: File for the decoded images.
            progress: Told the share of the images that is decoded.

        Returns:
            The rows, and the paths of images that could not be decoded.
        """
        cells = [frame[name].to_list() for name in self._images]
        broken: list[str] = []
        pixels = np.zeros((1, self._image_size, self._image_size, 3), np.uint8)
        numbers: NDArray[np.int64] = np.zeros((len(frame), 0), np.int64)
        if images is not None and cells:
            paths = sorted({path for column in cells for path in column if path is not None})
            built, broken = build_cache(paths, images, self._image_size, cache, progress)
            pixels = built.pixels
            numbers = np.stack([built.numbers(column) for column in cells], axis=1)
        elif cells:
            numbers = np.full((len(frame), len(cells)), -1)
        reals, codes = self._tabular.encode(frame)
        encoded = Encoded(
            pixels,
            numbers,
            [encoder.encode(frame[name]) for name, encoder in self._texts.items()],
            torch.from_numpy(reals),
            torch.from_numpy(codes),
        )
        return encoded, broken

    def shapes(self, encoded: Encoded) -> Shapes:
        """Give what decides the network's size."""
        return Shapes(
            image_columns=len(self._images),
            text_features=[encoder.features for encoder in self._texts.values()],
            reals=encoded.reals.shape[1],
            cardinalities=self._tabular.cardinalities,
        )

    def to_json(self) -> dict[str, Any]:
        """Give what ``from_json`` takes."""
        return {
            "columns": [column.model_dump(mode="json") for column in self._columns],
            "image_size": self._image_size,
            "texts": {name: encoder.to_json() for name, encoder in self._texts.items()},
            "tabular": self._tabular.to_json(),
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Make the encoders again."""
        columns = [Column.model_validate(column) for column in saved["columns"]]
        texts = {name: TextEncoder.from_json(encoder) for name, encoder in saved["texts"].items()}
        tabular_columns = [column for column in columns if column.modality == "tabular"]
        tabular = TabularEncoder.from_json(tabular_columns, saved["tabular"])
        return cls(columns, saved["image_size"], texts, tabular)
