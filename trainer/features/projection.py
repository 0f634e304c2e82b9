"""Many features as few: projections onto the directions in which training rows differ most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Products of matrices differ in their last bits with the number of rows; rounded, a row always falls on the same side of a
# tree's threshold
DECIMALS = 6


class Projection:
    """A linear map of rows to at most ``components`` numbers."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make it from what ``arrays`` gave."""
        self._center = arrays["center"].astype(np.float64)
        self._directions = arrays["directions"].astype(np.float64)

    @classmethod
    def fit_dense(cls, rows: NDArray[np.float32], components: int, seed: int) -> Self:
        """Learn by principal component analysis.

        Args:
            rows: Shape (n, f); rows of NaN are left out.
            components: Most numbers to keep.
            seed: Of the randomised solver, which large matrices need.
        """
        known = rows[~np.isnan(rows).any(axis=1)].astype(np.float64)
        components = min(components, min(known.shape) - 1)
        if components < 1:
            return cls._of(np.zeros(rows.shape[1]), np.zeros((0, rows.shape[1])))
        with np.errstate(divide="ignore", invalid="ignore"):  # shares of a variance of 0, which are not used
            fitted = PCA(components, random_state=seed).fit(known)
        return cls._of(fitted.mean_, fitted.components_)

    @classmethod
    def fit_sparse(cls, rows: Any, components: int, seed: int) -> Self:
        """Learn by truncated singular value decomposition (latent semantic analysis) of a CSR matrix of shape (n, f)."""
        components = min(components, min(rows.shape) - 1)
        center = np.zeros(rows.shape[1])
        if components < 1:
            return cls._of(center, np.zeros((0, rows.shape[1])))
        with np.errstate(divide="ignore", invalid="ignore"):  # as above
            fitted = TruncatedSVD(components, random_state=seed).fit(rows.astype(np.float64))
        return cls._of(center, fitted.components_)

    @classmethod
    def _of(cls, center: NDArray[np.float64], directions: NDArray[np.float64]) -> Self:
        """Keep what a file keeps, so that training projects exactly as prediction will."""
        return cls({"center": center.astype(np.float32), "directions": directions.astype(np.float32)})

    def __call__(self, rows: Any) -> NDArray[np.float64]:
        """Project dense or CSR rows; NaN stays NaN."""
        with np.errstate(invalid="ignore"):
            projected = rows.astype(np.float64) @ self._directions.T - self._directions @ self._center
        return np.asarray(projected).round(DECIMALS)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give what makes it again."""
        return {
            "center": self._center.astype(np.float32),
            "directions": self._directions.astype(np.float32),
        }
