"""How the learning rate moves, how large batches are, how much each class weighs, and what is minimised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trainer.models.multimodal.presets import Settings

SMALLEST_BATCH = 8
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.4, 2
WARM_UP = 0.05  # of all steps
EPSILON = 1e-12

# torch's step without a wrapper that imports its compiler; what the wrapper does, switching gradients off, is done here
_ADAM_STEP: Any = getattr(torch.optim.Adam.step, "__wrapped__", torch.optim.Adam.step)
Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


@dataclass(frozen=True)
class Loss:
    """Cross entropy, or the focal loss."""

    class_weights: torch.Tensor | None  # (classes,)
    label_smoothing: float
    focal: float  # exponent; 0 is plain cross entropy (Lin et al. 2017)

    @classmethod
    def of(cls, settings: Settings, classes: NDArray[np.int64], count: int, device: torch.device) -> Self:
        """Make it as the settings say, for training rows of these classes."""
        weights = class_weights(classes, count).to(device) if settings.class_weights else None
        return cls(weights, settings.label_smoothing, settings.focal)

    def __call__(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Give the mean loss of logits (n, classes)."""
        if not self.focal:
            return functional.cross_entropy(
                logits, truth, self.class_weights, label_smoothing=self.label_smoothing
            )
        losses = functional.cross_entropy(
            logits, truth, self.class_weights, label_smoothing=self.label_smoothing, reduction="none"
        )
        sure = torch.softmax(logits, 1).gather(1, truth.unsqueeze(1)).squeeze(1)
        return ((1 - sure) ** self.focal * losses).mean()


class AdamWithSharedScale(torch.optim.AdamW):
    """AdamW, except that each table of embeddings has one second moment for all its rows (Adam-mini: Zhang et al. 2024).

    With moments of their own, rare n-grams take steps as long as frequent ones: each gradient they ever get is divided by
    its own size. The network then learns by heart the few rows that hold them.
    """

    DECAY, SHARED_DECAY = 0.9, 0.99

    def __init__(self, network: nn.Module, learning_rate: float, weight_decay: float) -> None:
        """Optimise all of a network's parameters."""
        _without_compiler()
        tables = [
            parameter
            for layer in network.modules()
            if isinstance(layer, nn.EmbeddingBag)
            for parameter in layer.parameters()
        ]
        shared = {id(parameter) for parameter in tables}
        others = [parameter for parameter in network.parameters() if id(parameter) not in shared]
        super().__init__(others, learning_rate, weight_decay=weight_decay, fused=True)
        if tables:
            self.add_param_group({"params": tables, "shared": True})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # closures are for other optimizers
        """Take a step."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group.get("shared")]
        _ADAM_STEP(self)
        self.param_groups = groups
        for group in groups:
            if group.get("shared"):
                for table in group["params"]:
                    self._step(table, group["lr"], group["weight_decay"])

    def _step(self, table: torch.Tensor, learning_rate: float, weight_decay: float) -> None:
        if table.grad is None:
            return
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(table), torch.zeros((), device=table.device)
        state["step"] += 1
        done = state["step"].item()
        state["mean"].lerp_(table.grad, 1 - self.DECAY)
        state["square"].lerp_(table.grad.square().mean(), 1 - self.SHARED_DECAY)
        size = (state["square"] / (1 - self.SHARED_DECAY**done)).sqrt() + EPSILON
        table.mul_(1 - learning_rate * weight_decay)
        table.sub_(state["mean"] * (learning_rate / (1 - self.DECAY**done) / size))


def _without_compiler() -> None:
    """Keep torch from importing its compiler, which takes as long as torch itself and is not used here.

    Optimizers' methods are wrapped so that a compiled training leaves them alone; the wrapper looks for what to call in
    an attribute of the method, and imports the compiler only where there is none.
    """
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None:
            method.__dict__.setdefault("__dynamo_disable", method)


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

    def state_dict(self) -> dict[str, Any]:
        """Give what ``load_state_dict`` takes."""
        rule = self._plateau or self._cosine
        return {} if rule is None else rule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        rule = self._plateau or self._cosine
        if rule is not None:
            rule.load_state_dict(state)

    def after_step(self) -> None:
        """Move after an optimizer step."""
        if self._cosine is not None:
            self._cosine.step()

    def after_evaluation(self, val_loss: float) -> None:
        """Move after a validation pass."""
        if self._plateau is not None:
            self._plateau.step(val_loss)


def warm_average(over: int) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    """Make the rule by which torch's AveragedModel averages weights over about the last ``over`` steps.

    Fewer at the start. The average is what is validated and kept: it is steadier than the weights of one step.
    """

    def update(averages: Tensors, current: Tensors, averaged: torch.Tensor | int) -> None:
        done = int(averaged)
        share = 1 - min(1 - 1 / over, (1 + done) / (10 + done))
        if averages[0].is_floating_point():  # torch calls this once for each type
            torch._foreach_lerp_(averages, current, share)
        else:
            for old, new in zip(averages, current, strict=True):
                old.copy_(new)

    return update


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
