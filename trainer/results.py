"""What a model's ``train`` is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import BaseModel, Field

from contracts.report import ClassScores
from trainer import scores
from trainer.settings import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from contracts.job import JobSpec
    from trainer.checkpoint import Checkpoints
    from trainer.data import Data
    from trainer.reporter import Reporter

ModelParams = TypeVar("ModelParams", bound=BaseModel)


@dataclass(frozen=True)
class TrainParams(Generic[ModelParams]):
    """Everything a model trains with."""

    spec: JobSpec
    model: ModelParams
    data: Data
    reporter: Reporter
    workdir: Path
    checkpoints: Checkpoints
    deadline: float  # time.monotonic() seconds at which training should end with the best state so far; infinite for none
    process: Process = field(default_factory=Process)


class EpochRecord(BaseModel):
    """Figures of one epoch; those of validation are None where none was made."""

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    val_macro_f1: float | None = None
    seconds: float

    def tell(self, reporter: Reporter) -> None:
        """Tell the epoch's figures anew: of an epoch that an earlier attempt trained."""
        values = {
            "loss": self.train_loss,
            "accuracy": self.train_accuracy,
            "learning_rate": self.learning_rate,
        }
        reporter.point("train", self.step, self.epoch, values)
        self.tell_validation(reporter)

    def tell_validation(self, reporter: Reporter) -> None:
        """Tell the figures of the validation pass, where there was one."""
        values = {"loss": self.val_loss, "accuracy": self.val_accuracy, "macro_f1": self.val_macro_f1}
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            reporter.point("val", self.step, self.epoch, known)


class TrainingReport(BaseModel):
    """How training went: its log, and the figures of the best state."""

    history: list[EpochRecord]
    best_epoch: int
    metrics: dict[str, float] = Field(description="of the best state, on the validation rows")
    confusion_matrix: list[list[int]] = Field(description="rows true, columns predicted")
    per_class: list[ClassScores]
    device: str
    parameters: int = Field(description="trained numbers in the model")
    notes: list[str] = []

    @classmethod
    def of_best(
        cls,
        history: list[EpochRecord],
        best_epoch: int,
        matrix: NDArray[np.int64],
        labels: Sequence[str],
        *,
        loss: float,
        device: str,
        parameters: int,
        notes: Sequence[str] = (),
    ) -> Self:
        """Derive the figures of the best state from its confusion matrix, both of the validation rows."""
        return cls(
            history=history,
            best_epoch=best_epoch,
            metrics={
                "accuracy": scores.accuracy(matrix),
                "macro_f1": scores.macro_f1(matrix),
                "weighted_f1": scores.weighted_f1(matrix),
                "loss": loss,
                "best_epoch": best_epoch,
            },
            confusion_matrix=matrix.tolist(),
            per_class=scores.per_class(matrix, labels),
            device=device,
            parameters=parameters,
            notes=list(notes),
        )


@dataclass(frozen=True)
class Artifacts:
    """What is left of a training, enough to predict with."""

    model_type: str
    state_dict: Mapping[str, NDArray[Any]]
    id2label: dict[int, str]
    preprocessing: dict[str, Any]  # the model's own fitted transforms, as JSON
    # Typed rows to probabilities (rows, classes): what the saved artifacts give for them. The report asks it of rows whose
    # columns it has shuffled, so it should reuse what training has decoded.
    predict: Callable[[pl.DataFrame], NDArray[np.float32]]
