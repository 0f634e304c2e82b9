"""What a training loop remembers: running means of the epoch, and the best state so far."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Any

import torch

from trainer import scores
from trainer.models.multimodal.state import Trained
from trainer.results import EpochRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.models.multimodal.presets import Settings
    from trainer.models.multimodal.ranks import Ranks
    from trainer.reporter import Reporter

POINTS_PER_EPOCH = 20


class Meter:
    """Sums loss and hits of an epoch, and reports their means over the latest steps about twenty times an epoch.

    The sums stay on the device: only a report waits for it. Epochs and steps count on from one network to the next.
    """

    def __init__(
        self,
        reporter: Reporter,
        settings: Settings,
        number: int,
        steps_per_epoch: int,
        history: Sequence[EpochRecord],
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        """Begin a network.

        Args:
            reporter: Told of the means.
            settings: How many networks and epochs there are to be.
            number: Of the network, from 0.
            steps_per_epoch: Optimizer steps.
            history: The epochs of the networks before.
            device: Where the sums are kept.
            ranks: Over whose rows the sums are.
        """
        self._reporter = reporter
        self._networks, self._number = settings.networks, number
        self._steps_per_epoch = steps_per_epoch
        self._steps = settings.epochs * steps_per_epoch
        self._every = math.ceil(steps_per_epoch / POINTS_PER_EPOCH)
        self._device, self._ranks = device, ranks
        self._epochs_before, self._steps_before = (history[-1].epoch, history[-1].step) if history else (0, 0)
        self._begun, self._begun_at = time.monotonic(), 0
        self._step = 0
        self._forget()

    def state_dict(self) -> dict[str, Any]:
        """Give what ``load_state_dict`` takes."""
        return {
            "step": self._step,
            "epochs_before": self._epochs_before,
            "steps_before": self._steps_before,
            "sums": self._sums.cpu(),  # of several processes the first one's: their share is like the others'
            "reported": self._reported,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._step = self._begun_at = state["step"]
        self._epochs_before, self._steps_before = state["epochs_before"], state["steps_before"]
        self._sums, self._reported = state["sums"].to(self._device), state["reported"]

    def start_epoch(self) -> None:
        """Look at the clock."""
        self._epoch_begun = self._since = time.monotonic()

    def _forget(self) -> None:
        self._sums = torch.zeros(3, device=self._device)  # loss, hits, rows
        self._reported = (0.0, 0.0, 0.0)

    def add(
        self, loss: torch.Tensor, logits: torch.Tensor, truth: torch.Tensor, learning_rate: float
    ) -> None:
        """Add one optimizer step: its mean loss, and the logits of its rows, (n, classes)."""
        self._step += 1
        hits = (logits.detach().argmax(1) == truth).sum()
        rows = len(truth)
        self._sums += torch.stack([loss.detach() * rows, hits.float(), torch.full_like(loss, rows)])
        if self._step % self._every == 0:
            self._report(learning_rate)

    def record(self, epoch: int, learning_rate: float) -> EpochRecord:
        """Sum up an epoch of this network, and begin the next."""
        loss, hits, rows = self._ranks.total(self._sums).tolist()
        self._forget()
        return EpochRecord(
            epoch=self._epochs_before + epoch,
            step=self._steps_before + self._step,
            learning_rate=learning_rate,
            train_loss=loss / rows,
            train_accuracy=hits / rows,
            seconds=time.monotonic() - self._epoch_begun,
        )

    def _report(self, learning_rate: float) -> None:
        loss, hits, rows = self._ranks.total(self._sums).tolist()
        now = time.monotonic()
        loss_before, hits_before, rows_before = self._reported
        values = {
            "loss": (loss - loss_before) / (rows - rows_before),
            "accuracy": (hits - hits_before) / (rows - rows_before),
            "learning_rate": learning_rate,
            "samples_per_second": (rows - rows_before) / max(1e-9, now - self._since),
        }
        epoch = self._epochs_before + self._step / self._steps_per_epoch
        self._reporter.point("train", self._steps_before + self._step, epoch, values)
        self._reported, self._since = (loss, hits, rows), now
        seconds_per_step = (now - self._begun) / (self._step - self._begun_at)
        left = self._steps * (self._networks - self._number) - self._step
        self._reporter.progress(1 - left / (self._steps * self._networks), left * seconds_per_step)


class Best:
    """The state with the least validation loss, which a few hundred rows tell less by chance than the accuracy."""

    def __init__(self, labels: list[str], reporter: Reporter) -> None:
        self._labels = labels
        self._reporter = reporter
        self._accuracy, self._loss = -1.0, math.inf  # the best of each so far
        self._epoch = 0
        self._state: dict[str, torch.Tensor] = {}
        self.stale = 0  # passes in a row that bettered neither loss nor accuracy

    def consider(
        self, record: EpochRecord, guesses: torch.Tensor, truth: torch.Tensor, network: torch.nn.Module
    ) -> float:
        """Score a validation pass, report it, and keep a copy of the network's state where it is the best so far.

        Args:
            record: The epoch's, which is given the figures.
            guesses: Log-probabilities, shape (rows, classes).
            truth: Class numbers, shape (rows,).
            network: Whose guesses they are.

        Returns:
            The validation loss.
        """
        loss = torch.nn.functional.nll_loss(guesses, truth).item()
        matrix = scores.confusion_matrix(truth.numpy(), guesses.argmax(1).numpy(), len(self._labels))
        accuracy, macro_f1 = scores.accuracy(matrix), scores.macro_f1(matrix)
        record.val_loss, record.val_accuracy, record.val_macro_f1 = loss, accuracy, macro_f1
        lower = loss < self._loss  # a loss that is no number never is
        best = lower or not self._state
        self.stale = 0 if accuracy > self._accuracy or lower else self.stale + 1
        self._accuracy = max(accuracy, self._accuracy)
        if lower:
            self._loss = loss
        if best:
            self._epoch = record.epoch
            self._state = copy.deepcopy(network.state_dict())
        record.tell_validation(self._reporter)
        self._reporter.evaluation(record.step, record.epoch, self._labels, matrix.tolist(), best=best)
        return loss

    @property
    def sound(self) -> bool:
        """Whether there is a best state whose loss is a finite number."""
        return math.isfinite(self._loss)

    def trained(self) -> Trained:
        """Give the best state."""
        return Trained(self._epoch, self._loss, self._state)

    def state_dict(self) -> dict[str, Any]:
        """Give what ``load_state_dict`` takes."""
        return {
            "accuracy": self._accuracy,
            "loss": self._loss,
            "epoch": self._epoch,
            "state": self._state,
            "stale": self.stale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._accuracy, self._loss, self._epoch = state["accuracy"], state["loss"], state["epoch"]
        self._state, self.stale = state["state"], state["stale"]
