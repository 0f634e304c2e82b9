"""What a training loop remembers: running means of the epoch, and the best state so far."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

import torch

from trainer import scores
from trainer.results import EpochRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trainer.reporter import Reporter

POINTS_PER_EPOCH = 20


class Meter:
    """Sums loss and hits of an epoch, and reports their means over the latest steps about twenty times an epoch.

    The sums stay on the device: only a report waits for it.
    """

    def __init__(self, reporter: Reporter, epochs: int, steps_per_epoch: int, device: torch.device) -> None:
        self._reporter = reporter
        self._steps_per_epoch = steps_per_epoch
        self._steps = epochs * steps_per_epoch
        self._every = math.ceil(steps_per_epoch / POINTS_PER_EPOCH)
        self._device = device
        self._begun = time.monotonic()
        self.step = 0

    def start_epoch(self) -> None:
        """Forget the epoch before."""
        self._loss, self._hits = torch.zeros((), device=self._device), torch.zeros((), device=self._device)
        self._rows = 0
        self._reported = (0.0, 0.0, 0)
        self._epoch_begun = self._since = time.monotonic()

    def add(
        self, loss: torch.Tensor, logits: torch.Tensor, truth: torch.Tensor, learning_rate: float
    ) -> None:
        """Add one optimizer step: its mean loss, and the logits of its rows."""
        self.step += 1
        self._rows += len(truth)
        self._loss += loss.detach() * len(truth)
        self._hits += (logits.detach().argmax(1) == truth).sum()
        if self.step % self._every == 0:
            self._report(learning_rate)

    def record(self, epoch: int, learning_rate: float) -> EpochRecord:
        """Sum up the epoch."""
        return EpochRecord(
            epoch=epoch,
            step=self.step,
            learning_rate=learning_rate,
            train_loss=self._loss.item() / self._rows,
            train_accuracy=self._hits.item() / self._rows,
            seconds=time.monotonic() - self._epoch_begun,
        )

    def _report(self, learning_rate: float) -> None:
        now, loss, hits, rows = time.monotonic(), self._loss.item(), self._hits.item(), self._rows
        loss_before, hits_before, rows_before = self._reported
        values = {
            "loss": (loss - loss_before) / (rows - rows_before),
            "accuracy": (hits - hits_before) / (rows - rows_before),
            "learning_rate": learning_rate,
            "samples_per_second": (rows - rows_before) / max(1e-9, now - self._since),
        }
        self._reporter.point("train", self.step, self.step / self._steps_per_epoch, values)
        self._reported, self._since = (loss, hits, rows), now
        share = self.step / self._steps
        self._reporter.progress(share, (now - self._begun) * (1 - share) / share)


class Best:
    """The state with the best validation accuracy; of equals, the first."""

    def __init__(self, labels: list[str], reporter: Reporter) -> None:
        self._labels = labels
        self._reporter = reporter
        self._accuracy, self._loss = -1.0, math.inf
        self.stale = 0  # passes in a row that bettered neither loss nor accuracy
        self.epoch = 0
        self.state: dict[str, torch.Tensor] = {}
        self.matrix: NDArray[np.int64]

    def consider(
        self, record: EpochRecord, logits: torch.Tensor, truth: torch.Tensor, network: torch.nn.Module
    ) -> float:
        """Score a validation pass, report it, and keep a copy of the network's state where it is the best so far.

        Returns:
            The validation loss.
        """
        loss = torch.nn.functional.cross_entropy(logits, truth).item()
        matrix = scores.confusion_matrix(truth.numpy(), logits.argmax(1).numpy(), len(self._labels))
        accuracy, macro_f1 = scores.accuracy(matrix), scores.macro_f1(matrix)
        record.val_loss, record.val_accuracy, record.val_macro_f1 = loss, accuracy, macro_f1
        best = accuracy > self._accuracy
        self.stale = 0 if best or loss < self._loss else self.stale + 1
        self._loss = min(self._loss, loss)
        if best:
            self._accuracy, self.epoch, self.matrix = accuracy, record.epoch, matrix
            self.state = copy.deepcopy(network.state_dict())
        values = {"loss": loss, "accuracy": accuracy, "macro_f1": macro_f1}
        self._reporter.point("val", record.step, record.epoch, values)
        self._reporter.evaluation(record.step, record.epoch, self._labels, matrix.tolist(), best=best)
        return loss
