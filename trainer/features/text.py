"""One text column as TF-IDF of words and character n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # its stubs are a package of their own

from trainer.features.ngrams import BUCKETS, count_ngrams

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

MIN_ROWS = 2  # an n-gram of a single training row cannot generalise
MAX_CHARS = 2000  # of a text that are read
SHARES = {"words": 0.4, "characters": 0.6}  # of the features kept


class TextFeatures:
    """Turns texts into sparse rows, each half (words, characters) of length 1; a missing text is all zeros."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make it from what ``arrays`` gave."""
        self._max_chars = int(arrays["max_chars"][0])
        self._kept = {kind: arrays[f"{kind}/buckets"] for kind in SHARES}
        self._idf = {kind: arrays[f"{kind}/idf"] for kind in SHARES}

    @classmethod
    def fit(cls, texts: pl.Series, max_features: int, max_chars: int = MAX_CHARS) -> Self:
        """Keep the n-grams that most training rows use, and weigh them by their rareness.

        Args:
            texts: Of the training rows alone.
            max_features: Most n-grams kept, words and characters together.
            max_chars: Characters of a text that are read.
        """
        rows = {kind: np.zeros(BUCKETS, np.int64) for kind in SHARES}
        for block in count_ngrams(_strings(texts, max_chars)):
            for kind, counts in zip(SHARES, block, strict=True):
                rows[kind] += np.bincount(counts.indices, minlength=BUCKETS)
        arrays: dict[str, NDArray[Any]] = {"max_chars": np.array([max_chars], np.int32)}
        for kind, share in SHARES.items():
            common = np.flatnonzero(rows[kind] >= MIN_ROWS)
            most = np.argsort(-rows[kind][common], kind="stable")[: max(1, int(max_features * share))]
            buckets = np.sort(common[most])
            rareness = np.log((1 + len(texts)) / (1 + rows[kind][buckets])) + 1
            arrays[f"{kind}/buckets"] = buckets.astype(np.int32)
            arrays[f"{kind}/idf"] = rareness.astype(np.float32)
        return cls(arrays)

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def transform(self, texts: pl.Series) -> Any:
        """Give a CSR matrix of float32, shape (rows, n-grams kept)."""
        blocks = [sparse.csr_matrix((0, len(self)), dtype=np.float32)]
        for block in count_ngrams(_strings(texts, self._max_chars)):
            halves = [self._weighed(counts, kind) for kind, counts in zip(SHARES, block, strict=True)]
            blocks.append(sparse.hstack(halves, format="csr"))
        return sparse.vstack(blocks, format="csr")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted."""
        fitted = {f"{kind}/buckets": buckets for kind, buckets in self._kept.items()}
        fitted |= {f"{kind}/idf": idf for kind, idf in self._idf.items()}
        return fitted | {"max_chars": np.array([self._max_chars], np.int32)}

    def _weighed(self, counts: Any, kind: str) -> Any:
        kept = counts[:, self._kept[kind]]
        kept.data = (1 + np.log(kept.data)) * self._idf[kind][kept.indices]
        lengths = np.sqrt(np.asarray(kept.multiply(kept).sum(axis=1)).ravel()).astype(np.float32)
        kept.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(kept.indptr))
        return kept


def _strings(texts: pl.Series, max_chars: int) -> list[str]:
    return texts.fill_null("").str.slice(0, max_chars).to_list()
