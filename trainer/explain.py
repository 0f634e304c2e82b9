"""What is found out about a model once it is trained. A part that fails becomes a note: the model is never lost by it."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from trainer import scores
from trainer.baselines import linear_baseline, majority_baseline
from trainer.calibration import apply_temperature, calibrate
from trainer.contributions import measure_contributions
from trainer.inference import calibrated, predict_in_blocks
from trainer.mistakes import worst_mistakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    from numpy.typing import NDArray

    from contracts.report import Baseline, Calibration, Contributions, Mistakes
    from trainer.data import Data
    from trainer.inference import Predictions
    from trainer.results import Artifacts

log = logging.getLogger(__name__)

LEAST_SECONDS = 10.0  # for the contributions, however short the training was


@dataclass(frozen=True)
class Limits:
    """What explaining may cost."""

    share: float  # of the training's time, for contributions; 0: neither they nor the linear baseline
    max_rows: int  # validation rows that are shuffled
    max_columns: int


@dataclass
class Explanation:
    """Everything found out; what could not be is None, and a note says why."""

    predictions: Predictions | None = None  # of the validation rows
    matrix: NDArray[np.int64] | None = None  # their confusion matrix
    calibration: Calibration | None = None
    contributions: Contributions | None = None
    mistakes: Mistakes | None = None
    baselines: list[Baseline] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def temperature(self) -> float:
        """What the model's probabilities are scaled by."""
        return self.calibration.temperature if self.calibration else 1.0

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Turn an error inside into a note; a request to stop goes through."""
        try:
            yield
        except Exception as error:
            log.exception("%s failed", what)
            self.notes.append(f"{what} failed: {type(error).__name__}: {error}")


def explain(
    artifacts: Artifacts,
    data: Data,
    *,
    seed: int,
    limits: Limits,
    training_seconds: float,
    progress: Callable[[float], None],
) -> Explanation:
    """Ask a trained model about its validation rows.

    Args:
        artifacts: The model.
        data: What it was trained on.
        seed: Of everything drawn here.
        limits: What it may cost.
        training_seconds: How long training took.
        progress: Told the share that is done, 0 to 1.
    """
    found = Explanation()
    deadline = time.monotonic() + max(LEAST_SECONDS, limits.share * training_seconds)
    val, truth = data.frame[data.split.val], data.target[data.split.val]
    with found.part("asking the model for its validation rows"):
        raw = predict_in_blocks(artifacts.predict, val)
        with found.part("calibration"):
            found.calibration = calibrate(raw, truth, seed)
        found.predictions = calibrated(raw, found.temperature)
        found.matrix = scores.confusion_matrix(truth, found.predictions.best, len(data.labels))
        with found.part("the list of mistakes"):
            rows = data.table_rows[data.split.val]
            found.mistakes = worst_mistakes(found.predictions, truth, data.labels, val, data.columns, rows)
    if limits.share > 0 and found.predictions is not None:
        rows = np.sort(np.random.default_rng(seed).permutation(len(val))[: limits.max_rows])
        with found.part("measuring contributions"):
            found.contributions = measure_contributions(
                _calibrated_predict(artifacts, found.temperature),
                val[rows],
                truth[rows],
                data.columns,
                max_columns=limits.max_columns,
                seed=seed,
                deadline=deadline,
                progress=progress,
            )
    with found.part("the majority baseline"):
        found.baselines.append(majority_baseline(data))
    if limits.share > 0:
        with found.part("the linear baseline"):
            linear, why = linear_baseline(data, seed)
            found.baselines += [linear] if linear else []
            found.notes += [why] if why else []
    return found


def _calibrated_predict(
    artifacts: Artifacts, temperature: float
) -> Callable[[pl.DataFrame], NDArray[np.float32]]:
    return lambda frame: apply_temperature(artifacts.predict(frame), temperature)
