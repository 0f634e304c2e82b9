"""One text column as TF-IDF of words and character n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # its stubs are a package of their own
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

# Hashed, so that memory does not grow with the vocabulary; of the n-grams kept, few share a bucket
BUCKETS = 2**20
MIN_ROWS = 2  # an n-gram of a single training row cannot generalise
MAX_CHARS = 2000  # of a text that are read
CHUNK_ROWS = 2000  # hashed at a time: before it is cut down, a long text has thousands of n-grams
# For each kind its share of the features kept, and how it is cut
KINDS: dict[str, tuple[float, dict[str, Any]]] = {
    "words": (0.4, {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"}),
    "characters": (0.6, {"analyzer": "char_wb", "ngram_range": (2, 5)}),
}


class TextFeatures:
    """Turns texts into sparse rows, each half (words, characters) of length 1; a missing text is all zeros."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make it from what ``arrays`` gave."""
        self._kept = {kind: arrays[f"{kind}/buckets"] for kind in KINDS}
        self._idf = {kind: arrays[f"{kind}/idf"] for kind in KINDS}

    @classmethod
    def fit(cls, texts: pl.Series, max_features: int) -> Self:
        """Keep the n-grams that most training rows use, and weigh them by their rareness.

        Args:
            texts: Of the training rows alone.
            max_features: Most n-grams kept, words and characters together.
        """
        arrays: dict[str, NDArray[Any]] = {}
        for kind, (share, cut) in KINDS.items():
            rows = np.zeros(BUCKETS, np.int64)
            for counts in _hashed(texts, cut):
                rows += np.bincount(counts.indices, minlength=BUCKETS)
            common = np.flatnonzero(rows >= MIN_ROWS)
            most = np.argsort(-rows[common], kind="stable")[: max(1, int(max_features * share))]
            buckets = np.sort(common[most])
            arrays[f"{kind}/buckets"] = buckets.astype(np.int32)
            arrays[f"{kind}/idf"] = (np.log((1 + len(texts)) / (1 + rows[buckets])) + 1).astype(np.float32)
        return cls(arrays)

    def transform(self, texts: pl.Series) -> Any:
        """Give a CSR matrix of float32, shape (rows, n-grams kept)."""
        if not len(texts):
            return sparse.csr_matrix((0, sum(map(len, self._kept.values()))), dtype=np.float32)
        halves = []
        for kind, (_, cut) in KINDS.items():
            chunks = [self._weighed(counts[:, self._kept[kind]], kind) for counts in _hashed(texts, cut)]
            halves.append(sparse.vstack(chunks, format="csr"))
        return sparse.hstack(halves, format="csr")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted."""
        fitted = {f"{kind}/buckets": buckets for kind, buckets in self._kept.items()}
        return fitted | {f"{kind}/idf": idf for kind, idf in self._idf.items()}

    def _weighed(self, counts: Any, kind: str) -> Any:
        if not counts.shape[1]:
            return counts
        counts.data = 1 + np.log(counts.data)
        return normalize(counts.multiply(self._idf[kind]).tocsr())


def _hashed(texts: pl.Series, cut: Mapping[str, Any]) -> Any:
    """Count n-grams by bucket, a chunk of rows at a time."""
    vectorizer = HashingVectorizer(
        **cut, n_features=BUCKETS, norm=None, alternate_sign=False, dtype=np.float32
    )
    for begin in range(0, len(texts), CHUNK_ROWS):
        chunk = texts[begin : begin + CHUNK_ROWS].fill_null("").str.slice(0, MAX_CHARS)
        yield vectorizer.transform(chunk.to_list())
