"""How far a training is: what is done, what is running, and the way of both through a checkpoint."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import torch

from trainer.results import EpochRecord

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

    from trainer.checkpoint import Checkpoints
    from trainer.models.multimodal.batches import Shuffle
    from trainer.models.multimodal.network import Network
    from trainer.models.multimodal.optimization import Schedule
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.presets import Settings
    from trainer.models.multimodal.ranks import Ranks
    from trainer.models.multimodal.tracking import Best, Meter
    from trainer.results import TrainParams

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """One network's best state."""

    epoch: int
    loss: float
    state: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Running:
    """Everything of the network in training that the next step depends on."""

    network: Network
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scheduler: Schedule
    meter: Meter
    best: Best
    shuffle: Shuffle

    def state_dict(self) -> dict[str, Any]:
        """Give what ``load_state_dict`` takes."""
        return {
            **{name: getattr(self, name).state_dict() for name in _STATEFUL},
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        torch.set_rng_state(state["torch"])
        if state["cuda"]:
            torch.cuda.set_rng_state_all(state["cuda"])


_STATEFUL = ("network", "average", "optimizer", "scheduler", "meter", "best", "shuffle")


@dataclass
class Progress:
    """All networks of a training."""

    checkpoints: Checkpoints
    fingerprint: str
    deadline: float  # time.monotonic() seconds
    ranks: Ranks
    done: list[Trained] = field(default_factory=list)
    history: list[EpochRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # for the report
    _running: dict[str, Any] | None = None

    @classmethod
    def resume(cls, params: TrainParams[Params], settings: Settings, ranks: Ranks, foreign: str) -> Self:
        """Begin, where an earlier attempt's checkpoint fits from there; its curve is told again, as this attempt's own.

        Args:
            params: What is trained.
            settings: How.
            ranks: Together with whom.
            foreign: What tells weights that were trained elsewhere from all others.
        """
        fingerprint = _fingerprint(params, settings, foreign)
        progress = cls(params.checkpoints, fingerprint, params.deadline, ranks)
        state = params.checkpoints.load(progress.fingerprint) if params.process.first else None
        state = ranks.of_first(state)
        if state is not None:
            progress.done = [Trained(**trained) for trained in state["done"]]
            progress.history = [EpochRecord(**record) for record in state["history"]]
            progress.notes = state.get("notes", [])  # states of before there were any have none
            progress._running = state["running"]
            for record in progress.history:
                record.tell(params.reporter)
        return progress

    def out_of_time(self) -> bool:
        """Tell whether TIME_BUDGET is used up."""
        return math.isfinite(self.deadline) and self.ranks.any(time.monotonic() >= self.deadline)

    def note_divergence(self, number: int, epoch: int, loss: float) -> None:
        """Note that a network's loss became no finite number: it ends there, with its best state where it has one."""
        note = f"the loss of network {number + 1} is {loss} in epoch {epoch}; try a lower LEARNING_RATE"
        log.warning("%s", note)
        self.notes.append(note)

    def keep(self, running: Running, epoch: int) -> None:
        """Put everything that decides the next steps into the checkpoint, the first of which is one of this epoch."""
        if not self.checkpoints.due():
            return
        state = {
            "done": [vars(trained) for trained in self.done],
            "history": [record.model_dump() for record in self.history],
            "notes": self.notes,
            "running": {"epoch": epoch, **running.state_dict()},
        }
        self.checkpoints.save(state, self.fingerprint)

    def restore(self, running: Running) -> int:
        """Take a running network's state out of the checkpoint, once, and give the epoch to go on with."""
        state, self._running = self._running, None
        if state is None:
            return 1
        running.load_state_dict(state)
        return int(state["epoch"])


def _fingerprint(params: TrainParams[Params], settings: Settings, foreign: str) -> str:
    data = params.data
    digest = hashlib.sha256(json.dumps([asdict(settings), params.spec.seed, data.labels, foreign]).encode())
    digest.update(json.dumps([column.model_dump(mode="json") for column in data.columns]).encode())
    for rows in (data.target, data.split.train, data.split.val):
        digest.update(rows.tobytes())
    return digest.hexdigest()
