"""A boosted forest as plain arrays: taken out of scikit-learn's estimator, saved without pickle, walked with numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import expit  # type: ignore[import-untyped]  # its stubs are a package of their own
from sklearn.utils.extmath import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from sklearn.ensemble import HistGradientBoostingClassifier

BLOCK_ROWS = 4096  # walked at a time, so that what is looked at stays in the processor's cache


class Forest:
    """Trees by iteration and class, all their nodes laid end to end.

    Its arrays hold, for each node, ``feature``, ``threshold``, ``left``, ``right``, ``value``, ``leaf``, ``missing_left`` and
    ``levels``: the row of ``left_levels`` (m, 32 bytes) whose bits say which codes go left, or -1 for a split of numbers.
    Besides them ``roots`` (iterations, trees) and ``start`` (trees,), the raw prediction before the first tree; there is one
    tree an iteration for two classes, else one for each class.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make it from what ``arrays`` gave."""
        self._arrays = dict(arrays)
        bits = np.unpackbits(arrays["left_levels"], axis=1, bitorder="little")
        self._nodes = self._arrays | {"left_levels": bits.astype(bool)}
        self._roots, self._start = arrays["roots"], arrays["start"]

    @classmethod
    def of(cls, booster: HistGradientBoostingClassifier, begin: int, end: int) -> Self:
        """Take iterations ``begin`` to ``end``, not included, out of an estimator.

        It must have been fitted on features whose categories are codes 0, 1, … without a gap, before all others; then its own
        encoder changes nothing. Private attributes of scikit-learn are read here and nowhere else.
        """
        iterations = booster._predictors[begin:end]  # noqa: SLF001 - there is no public way to the nodes
        trees = [tree for iteration in iterations for tree in iteration]
        sizes = [len(tree.nodes) for tree in trees]
        firsts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
        nodes = np.concatenate([tree.nodes for tree in trees])
        offsets = np.repeat(firsts, sizes)
        bitsets = [tree.raw_left_cat_bitsets for tree in trees]
        bitset_offsets = np.repeat(np.concatenate([[0], np.cumsum([len(b) for b in bitsets])])[:-1], sizes)
        levels = np.where(nodes["is_categorical"], nodes["bitset_idx"] + bitset_offsets, -1)
        return cls(
            {
                "feature": nodes["feature_idx"].astype(np.int32),
                "threshold": nodes["num_threshold"].copy(),
                "left": (nodes["left"] + offsets).astype(np.int32),
                "right": (nodes["right"] + offsets).astype(np.int32),
                "value": nodes["value"].copy(),
                "leaf": nodes["is_leaf"].astype(bool),
                "missing_left": nodes["missing_go_to_left"].astype(bool),
                "levels": levels.astype(np.int32),
                "left_levels": np.concatenate(bitsets).astype("<u4").view(np.uint8),
                "roots": firsts.astype(np.int32).reshape(len(iterations), -1),
                "start": booster._baseline_prediction.ravel().astype(np.float64),  # noqa: SLF001
            }
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what makes it again."""
        return self._arrays

    @property
    def leaves(self) -> int:
        """Number of leaves in all trees."""
        return int(self._arrays["leaf"].sum())

    def begin(self, rows: int) -> NDArray[np.float64]:
        """Give the raw predictions before the first tree, shape (rows, trees)."""
        # by column, as the estimator keeps them: sums over classes then round in the same order
        return np.asfortranarray(np.tile(self._start, (rows, 1)))

    def stages(
        self, features: NDArray[np.float64], raw: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float64]]:
        """Add the trees to raw predictions, in place, an iteration at a time.

        Args:
            features: Shape (rows, f); NaN is missing.
            raw: Shape (rows, trees); what is there is added to.

        Yields:
            ``raw`` after each iteration.
        """
        for roots in self._roots:
            for block in range(0, len(features), BLOCK_ROWS):
                rows = slice(block, block + BLOCK_ROWS)
                raw[rows] += self._values(features[rows], roots)
            yield raw

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give class probabilities, shape (rows, classes), to the bit as the estimator gives them."""
        raw = self.begin(len(features))
        for _ in self.stages(features, raw):
            pass
        return probabilities(raw)

    def _values(self, features: NDArray[np.float64], roots: NDArray[np.int32]) -> NDArray[np.float64]:
        """Walk every row down some trees, all of them a level at a time; gives shape (rows, trees)."""
        nodes, trees = self._nodes, len(roots)
        at = np.tile(roots, len(features))
        walking = np.arange(len(at))
        while True:
            node = at[walking]
            inner = ~nodes["leaf"][node]
            walking, node = walking[inner], node[inner]
            if not len(walking):
                return nodes["value"][at].reshape(-1, trees)
            value = features[walking // trees, nodes["feature"][node]]
            left = value <= nodes["threshold"][node]
            missing = np.isnan(value)
            by_level = nodes["levels"][node] >= 0
            if by_level.any():
                codes = np.where(missing, 0, value)[by_level].astype(np.uint8)
                left[by_level] = nodes["left_levels"][nodes["levels"][node[by_level]], codes]
            left[missing] = nodes["missing_left"][node[missing]]
            at[walking] = np.where(left, nodes["left"][node], nodes["right"][node])


def probabilities(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn raw predictions, shape (rows, 1) or (rows, classes), into probabilities, shape (rows, classes)."""
    if raw.shape[1] > 1:
        answer: NDArray[np.float64] = softmax(raw)
        return answer
    positive = expit(raw[:, 0])
    return np.stack([1 - positive, positive], axis=1)
