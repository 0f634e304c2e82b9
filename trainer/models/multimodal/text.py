"""Texts as bags of hashed word and character n-grams (fastText: Joulin et al. 2017), weighted by TF-IDF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]  # its stubs are a package of their own

from trainer.models.multimodal.ngrams import BUCKETS, count_ngrams

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

WORD_SHARE = 0.4  # of the features kept; the rest are character n-grams
MIN_ROWS = 2  # an n-gram of a single training row cannot generalise


@dataclass(frozen=True)
class Bags:
    """Rows of features of varying number, laid end to end."""

    features: NDArray[np.int64]  # (entries,)
    weights: NDArray[np.float32]  # (entries,)
    offsets: NDArray[np.int64]  # (rows + 1,): where each row's entries begin
    missing: NDArray[np.bool_]  # (rows,)


class TextEncoder:
    """Turns one text column into bags; what it keeps was counted on the training rows."""

    def __init__(self, max_chars: int, kept: list[NDArray[np.int64]], idf: list[NDArray[np.float32]]) -> None:
        self._max_chars = max_chars
        self._kept = kept  # for each kind, the buckets kept, ascending
        self._idf = idf
        self.features = sum(map(len, kept))

    @classmethod
    def fit(cls, texts: pl.Series, max_features: int, max_chars: int) -> Self:
        """Keep the buckets that most rows use, at most max_features, and weigh them by their rareness.

        Args:
            texts: Of the training rows.
            max_features: Most n-grams kept.
            max_chars: Characters of a text that are read.
        """
        kept, idf = [], []
        counted = count_ngrams(_texts(texts, max_chars))
        for counts, share in zip(counted, (WORD_SHARE, 1 - WORD_SHARE), strict=True):
            rows = np.bincount(counts.indices, minlength=BUCKETS)
            common = np.flatnonzero(rows >= MIN_ROWS)
            most = np.argsort(-rows[common], kind="stable")[: max(1, int(max_features * share))]
            buckets = np.sort(common[most])
            kept.append(buckets)
            idf.append((np.log((1 + len(texts)) / (1 + rows[buckets])) + 1).astype(np.float32))
        return cls(max_chars, kept, idf)

    def encode(self, texts: pl.Series) -> Bags:
        """Give each row's features; a missing text has none."""
        halves = []
        counted = count_ngrams(_texts(texts, self._max_chars))
        for counts, buckets, idf in zip(counted, self._kept, self._idf, strict=True):
            kept = counts[:, buckets]
            kept.data = 1 + np.log(kept.data)
            halves.append(_unit_rows(kept.multiply(idf).tocsr()))
        both = sparse.hstack(halves, format="csr")
        return Bags(
            both.indices.astype(np.int64),
            both.data.astype(np.float32),
            both.indptr.astype(np.int64),
            texts.is_null().to_numpy(),
        )

    def to_json(self) -> dict[str, Any]:
        """Give what ``from_json`` takes."""
        return {
            "max_chars": self._max_chars,
            "kept": [buckets.tolist() for buckets in self._kept],
            "idf": [
                weights.tolist() for weights in self._idf
            ],  # exact: a float32 survives the way through JSON
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """Make the encoder again."""
        kept = [np.array(buckets, dtype=np.int64) for buckets in saved["kept"]]
        return cls(
            saved["max_chars"], kept, [np.array(weights, dtype=np.float32) for weights in saved["idf"]]
        )


def _unit_rows(matrix: Any) -> Any:
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1.astype(np.float32)
    matrix.data /= np.repeat(np.where(lengths > 0, lengths, 1), np.diff(matrix.indptr))
    return matrix


def _texts(texts: pl.Series, max_chars: int) -> list[str]:
    return texts.fill_null("").str.slice(0, max_chars).to_list()
