"""What a model that gives probabilities tells of its training: each epoch's figures, and which epoch was best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer import scores
from trainer.figures import log_loss
from trainer.results import EpochRecord, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainer.reporter import Reporter


class Tracker:
    """Measures epochs, reports them, and remembers the best: that of the least validation loss."""

    def __init__(self, labels: Sequence[str], reporter: Reporter) -> None:
        self._labels = list(labels)
        self._reporter = reporter
        self._history: list[EpochRecord] = []
        self._accuracy, self._loss = -1.0, math.inf  # the best of each so far
        self._matrix: NDArray[np.int64] | None = None
        self.best_epoch = 0
        self.last_gain = 0  # the epoch that last bettered accuracy or loss

    def epoch(
        self,
        epoch: int,
        *,
        seconds: float,
        learning_rate: float,
        train: tuple[NDArray[np.floating], NDArray[np.int64]],
        val: tuple[NDArray[np.floating], NDArray[np.int64]],
    ) -> bool:
        """Take in an epoch with a validation pass.

        Args:
            epoch: Its number, from 1; numbers may be left out.
            seconds: How long it took.
            learning_rate: The one it had.
            train: Probabilities of the training rows, shape (rows, classes), and their class numbers.
            val: The same of the validation rows.

        Returns:
            Whether it is the best so far.
        """
        train_loss, val_loss = log_loss(*train), log_loss(*val)
        matrix = scores.confusion_matrix(val[1], val[0].argmax(axis=1), len(self._labels))
        record = EpochRecord(
            epoch=epoch,
            step=epoch,
            learning_rate=learning_rate,
            train_loss=train_loss,
            train_accuracy=float((train[0].argmax(axis=1) == train[1]).mean()),
            val_loss=val_loss,
            val_accuracy=scores.accuracy(matrix),
            val_macro_f1=scores.macro_f1(matrix),
            seconds=seconds,
        )
        self._history.append(record)
        accuracy = scores.accuracy(matrix)
        better = val_loss < self._loss or self._matrix is None
        if better or accuracy > self._accuracy:
            self.last_gain = epoch
        self._accuracy, self._loss = max(accuracy, self._accuracy), min(val_loss, self._loss)
        if better:
            self._matrix, self.best_epoch = matrix, epoch
        self._tell(record, matrix, better=better)
        return better

    def report(self, *, device: str, parameters: int, notes: Sequence[str]) -> TrainingReport:
        """Sum up the training; there must have been an epoch."""
        if self._matrix is None:
            raise ValueError("no epoch was tracked")
        return TrainingReport.of_best(
            self._history,
            self.best_epoch,
            self._matrix,
            self._labels,
            loss=self._loss,
            device=device,
            parameters=parameters,
            notes=notes,
        )

    def _tell(self, record: EpochRecord, matrix: NDArray[np.int64], *, better: bool) -> None:
        train = {"loss": record.train_loss, "accuracy": record.train_accuracy}
        self._reporter.point("train", record.step, record.epoch, train)
        record.tell_validation(self._reporter)
        self._reporter.evaluation(record.step, record.epoch, self._labels, matrix.tolist(), best=better)
