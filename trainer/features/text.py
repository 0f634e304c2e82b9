"""One text column as TF-IDF of words and character n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trainer.features.ngrams import BUCKETS, Bags, count_ngrams

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
                rows[kind] += np.bincount(counts.features, minlength=BUCKETS)
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

    def read(self, texts: pl.Series) -> pl.Series:
        """Cut texts to the characters that are read."""
        return texts.str.slice(0, self._max_chars)

    def transform(self, texts: pl.Series) -> Bags:
        """Give each text's weighed n-grams, numbered from 0 to ``len`` of this."""
        bags = [self._weighed(*block) for block in count_ngrams(_strings(texts, self._max_chars))]
        begins = np.cumsum([0, *(len(bag.features) for bag in bags)])
        offsets = [bag.offsets[1:] + begin for bag, begin in zip(bags, begins, strict=False)]
        return Bags(
            np.concatenate([np.zeros(0, np.int64), *(bag.features for bag in bags)]),
            np.concatenate([np.zeros(0, np.float32), *(bag.weights for bag in bags)]),
            np.concatenate([np.zeros(1, np.int64), *offsets]),
        )

    def matrix(self, texts: pl.Series) -> Any:
        """Give the same as a CSR matrix of float32, shape (rows, n-grams kept)."""
        from scipy import sparse  # type: ignore[import-untyped]  # noqa: PLC0415 - see Bags

        bags = self.transform(texts)
        return sparse.csr_matrix((bags.weights, bags.features, bags.offsets), (len(bags), len(self)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted."""
        fitted = {f"{kind}/buckets": buckets for kind, buckets in self._kept.items()}
        fitted |= {f"{kind}/idf": idf for kind, idf in self._idf.items()}
        return fitted | {"max_chars": np.array([self._max_chars], np.int32)}

    def _weighed(self, *halves: Bags) -> Bags:
        rows, features, weights = [], [], []
        first = 0
        for (kind, kept), counts in zip(self._kept.items(), halves, strict=True):
            places = np.searchsorted(kept, counts.features)
            found = np.flatnonzero(np.isin(counts.features, kept))
            places, row = places[found], counts.rows[found]
            weight = (1 + np.log(counts.weights[found])) * self._idf[kind][places]
            lengths = np.sqrt(np.bincount(row, np.square(weight), minlength=len(counts)))
            weights.append((weight / lengths[row]).astype(np.float32))
            features.append(places + first)
            rows.append(row)
            first += len(kept)
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        offsets = np.searchsorted(row[order], np.arange(len(halves[0]) + 1))
        return Bags(np.concatenate(features)[order], np.concatenate(weights)[order], offsets)


def _strings(texts: pl.Series, max_chars: int) -> list[str]:
    return texts.fill_null("").str.slice(0, max_chars).to_list()
