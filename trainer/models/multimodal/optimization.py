"""How the learning rate moves, how large batches are, how much each class weighs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_BATCH = 8
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.4, 2
WARM_UP = 0.05  # of all steps
AVERAGED_STEPS = 50

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


class Schedule:
    """ReduceLROnPlateau on the validation loss, or warm-up and cosine annealing (Loshchilov and Hutter 2017)."""

    def __init__(self, name: str, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Attach to an optimizer.

        Args:
            name: "plateau" or "cosine".
            optimizer: Whose learning rate moves.
            steps: Optimizer steps of the whole training.
        """
        self._optimizer = optimizer
        self._plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self._cosine: torch.optim.lr_scheduler.LambdaLR | None = None
        if name == "plateau":
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE
            )
        else:
            warm = max(1, round(WARM_UP * steps))
            self._cosine = torch.optim.lr_scheduler.LambdaLR(
                optimizer,
                lambda step: (
                    min(1.0, (step + 1) / warm)
                    * 0.5
                    * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
                ),
            )

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def after_step(self) -> None:
        """Move after an optimizer step."""
        if self._cosine is not None:
            self._cosine.step()

    def after_evaluation(self, val_loss: float) -> None:
        """Move after a validation pass."""
        if self._plateau is not None:
            self._plateau.step(val_loss)


def warm_average(averages: Tensors, current: Tensors, averaged: torch.Tensor | int) -> None:
    """Average weights over about the last AVERAGED_STEPS steps, fewer at the start (for torch's AveragedModel).

    The average is what is validated and kept: it is steadier than the weights of one step.
    """
    done = int(averaged)
    share = 1 - min(1 - 1 / AVERAGED_STEPS, (1 + done) / (10 + done))
    if averages[0].is_floating_point():  # torch calls this once for each type
        torch._foreach_lerp_(averages, current, share)
    else:
        for old, new in zip(averages, current, strict=True):
            old.copy_(new)


def choose_batch_size(rows: int, wanted: int, least_steps: int) -> int:
    """Give the batch size: the one wanted, or a smaller one where an epoch would have fewer steps than it should."""
    if not least_steps:
        return wanted
    return min(wanted, max(SMALLEST_BATCH, rows // least_steps))


def class_weights(classes: NDArray[np.int64], count: int) -> torch.Tensor:
    """Weigh classes by the inverse of the root of their frequency; the mean weight of a row is 1."""
    frequency = np.bincount(classes, minlength=count) / len(classes)
    weights = 1 / np.sqrt(np.maximum(frequency, 1 / len(classes)))
    return torch.tensor(weights / (weights * frequency).sum(), dtype=torch.float32)
