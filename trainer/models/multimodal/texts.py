"""Texts described once each by a frozen sentence encoder; the vectors lie in a memory-mapped file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from trainer.models.multimodal.sentences import SentenceEncoder


class TextCache:
    """Every text used, once.

    ``vectors`` has shape (texts, f), at least one row; f is 0 without an encoder.
    """

    def __init__(self, texts: pl.Series | None = None, vectors: NDArray[np.float32] | None = None) -> None:
        self.vectors = np.zeros((1, 0), np.float32) if vectors is None else vectors
        self._texts = texts

    def numbers(self, texts: pl.Series) -> NDArray[np.int64]:
        """Give the position in ``vectors`` of each text, shape (rows,); that of a missing one says nothing.

        Raises:
            polars.exceptions.InvalidOperationError: A text was not described.
        """
        if self._texts is None:
            return np.zeros(len(texts), np.int64)
        positions = pl.Series(np.arange(len(self._texts)), dtype=pl.Int64)
        found = texts.replace_strict(self._texts, positions, return_dtype=pl.Int64)
        return found.cast(pl.Int64).fill_null(0).to_numpy()  # the cast for texts that are all missing


def build_text_cache(
    texts: pl.Series,
    encoder: SentenceEncoder,
    folder: Path,
    device: torch.device,
    progress: Callable[[float], None] = lambda _: None,
) -> TextCache:
    """Describe texts.

    Args:
        texts: Distinct ones.
        encoder: What describes them.
        folder: Where the vectors lie; they may be larger than memory.
        device: Where the encoder runs.
        progress: Told the share of the texts that is done, 0 to 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (max(1, len(texts)), encoder.features)
    vectors = np.lib.format.open_memmap(folder / "sentences.npy", mode="w+", dtype=np.float32, shape=shape)
    done = 0
    for numbers, some in encoder.describe(texts.to_list(), device):
        vectors[numbers] = some
        done += len(numbers)
        progress(done / len(texts))
    return TextCache(texts, vectors)
