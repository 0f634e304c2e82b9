"""What simple answers score on the same rows: the most frequent class, and a linear model on everything but images."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.report import Baseline
from contracts.schema import ColumnType
from trainer import scores
from trainer.features.tabular import to_reals
from trainer.figures import log_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.columns import Column
    from trainer.data import Data

MAX_ROWS = 10_000  # training rows the linear model sees; drawn at random, with the job's seed
MAX_WEIGHTS = 1_000_000  # text features times classes: a fit then took under half a minute on two busy CPUs
MAX_TEXT_FEATURES = 20_000
MAX_LEVELS = 200
MAX_CHARS = 2_000
ITERATIONS = 100


def majority_baseline(data: Data) -> Baseline:
    """Answer always with the most frequent training class, and with the training classes' shares as probabilities."""
    begun = time.monotonic()
    train, val = data.target[data.split.train], data.target[data.split.val]
    shares = np.bincount(train, minlength=len(data.labels)) / len(train)
    probabilities = np.tile(shares.astype(np.float32), (len(val), 1))
    return _measured(
        "majority",
        "Most frequent class",
        probabilities,
        val,
        rows=len(train),
        columns=[],
        seconds=time.monotonic() - begun,
    )


def linear_baseline(data: Data, seed: int) -> tuple[Baseline | None, str]:
    """Fit a logistic regression on TF-IDF of texts, one-hot categories and standardised numbers.

    Args:
        data: What the job trains on; image columns are not read.
        seed: Which training rows are drawn where there are more than MAX_ROWS.

    Returns:
        Its figures, or None and why there are none.
    """
    begun = time.monotonic()
    readers = [_Reader(column, len(data.labels)) for column in data.columns if column.modality != "image"]
    rows = np.random.default_rng(seed).permutation(data.split.train)[:MAX_ROWS]
    train, val = data.frame[rows], data.frame[data.split.val]
    fitted = [reader for reader in readers if reader.fit(train)]
    if not fitted:
        return None, "no linear baseline: every column it could read is an image column or empty"
    probabilities = _logistic_regression(
        _stack([reader.read(train) for reader in fitted]),
        data.target[rows],
        _stack([reader.read(val) for reader in fitted]),
        len(data.labels),
    )
    baseline = _measured(
        "linear",
        "Linear model without images" if len(readers) < len(data.columns) else "Linear model",
        probabilities,
        data.target[data.split.val],
        rows=len(rows),
        columns=[reader.column.name for reader in fitted],
        seconds=time.monotonic() - begun,
    )
    return baseline, ""


class _Reader:
    """Turns one column into sparse features; what it keeps is learnt from the training rows."""

    def __init__(self, column: Column, classes: int) -> None:
        self.column = column
        self._classes = classes

    def fit(self, frame: pl.DataFrame) -> bool:
        """Learn; say whether there is anything in the column."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - a second to import
        from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415

        values = frame[self.column.name]
        if self.column.modality == "text":
            if not values.str.contains(r"\b\w\w+\b").any():  # what counts as a word below
                return False
            features = min(MAX_TEXT_FEATURES, MAX_WEIGHTS // self._classes)
            self._encoder: Any = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=features)
            self._encoder.fit(_texts(values))
        elif self._is_real:
            numbers = _numbers(values)
            known = numbers[np.isfinite(numbers)]
            if not len(known):
                return False
            self._mean, self._deviation = known.mean(), known.std() or 1.0
        else:
            self._encoder = OneHotEncoder(handle_unknown="ignore", max_categories=MAX_LEVELS)
            self._encoder.fit(_levels(values))
        return True

    def read(self, frame: pl.DataFrame) -> Any:
        """Give its features, a sparse matrix with a row for each of the frame's."""
        from scipy import sparse  # type: ignore[import-untyped]  # noqa: PLC0415 - as in fit

        values = frame[self.column.name]
        if self.column.modality == "text":
            return self._encoder.transform(_texts(values))
        if not self._is_real:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a level that training did not show is no surprise here
                return self._encoder.transform(_levels(values))
        numbers = _numbers(values)
        gone = ~np.isfinite(numbers)
        scaled = np.where(gone, 0.0, (numbers - self._mean) / self._deviation)
        return sparse.csr_matrix(np.stack([scaled, gone], axis=1))

    @property
    def _is_real(self) -> bool:
        return self.column.type in {ColumnType.NUMERIC, ColumnType.DATETIME}


def _logistic_regression(
    train: Any, target: NDArray[np.int64], val: Any, classes: int
) -> NDArray[np.float32]:
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - as in _Reader.fit
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    seen = np.unique(target)
    probabilities = np.zeros((val.shape[0], classes), np.float32)
    if len(seen) == 1:
        probabilities[:, seen] = 1
        return probabilities
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close is enough for a baseline
        model = LogisticRegression(max_iter=ITERATIONS).fit(train, target)
    probabilities[:, seen] = model.predict_proba(val)
    return probabilities


def _stack(blocks: Sequence[Any]) -> Any:
    from scipy import sparse  # noqa: PLC0415 - as in _Reader.fit

    return sparse.hstack(blocks, format="csr")


def _texts(values: pl.Series) -> list[str]:
    return values.fill_null("").str.slice(0, MAX_CHARS).to_list()


def _levels(values: pl.Series) -> NDArray[np.object_]:
    return values.fill_null("").to_numpy().astype(object)[:, None]


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    if values.dtype.is_temporal():
        values = values.dt.epoch("s")
    return to_reals(values)


def _measured(
    name: str,
    title: str,
    probabilities: NDArray[np.float32],
    truth: NDArray[np.int64],
    *,
    rows: int,
    columns: list[str],
    seconds: float,
) -> Baseline:
    classes = probabilities.shape[1]
    matrix = scores.confusion_matrix(truth, probabilities.argmax(axis=1), classes)
    return Baseline(
        name=name,
        title=title,
        accuracy=scores.accuracy(matrix),
        macro_f1=scores.macro_f1(matrix),
        log_loss=log_loss(probabilities, truth),
        rows=rows,
        columns=columns,
        seconds=round(seconds, 3),
    )
