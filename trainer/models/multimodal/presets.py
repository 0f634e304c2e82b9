"""What the presets mean, and how one preset with a person's own values becomes a training's settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from contracts.job import JobSpec
    from trainer.models.multimodal.params import Params


@dataclass(frozen=True)
class Architecture:
    """What decides a network, besides the data; saved with its weights."""

    width: int
    dropout: float
    modality_dropout: float
    text_dropout: float
    backbone: str  # the image network that is trained, or "none" where only frozen ones are
    frozen: tuple[str, ...]  # those that are not


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training, besides its data and seed; see ``Params`` for what each value does."""

    epochs: int
    learning_rate: float
    batch_size: int
    steps_per_epoch: int
    networks: int
    backbone: str
    companions: bool
    image_size: int | None = None
    finetune: bool | None = None
    augment: bool = True
    horizontal_flip: bool = False
    text_features: int = 30_000
    text_max_chars: int = 2_000
    width: int = 128
    dropout: float = 0.3
    modality_dropout: float = 0.4
    text_dropout: float = 0.5
    class_weights: bool = False
    focal: float = 0.0
    label_smoothing: float = 0.05
    weight_decay: float = 0.01
    scheduler: Literal["plateau", "cosine"] = "cosine"
    patience: int = 6
    averaged_steps: int = 50
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def of(cls, spec: JobSpec, params: Params) -> Self:
        """Take each value from the job, else from the model's parameters, else from the preset."""
        own = {"epochs": spec.epochs, "learning_rate": spec.learning_rate, "batch_size": spec.batch_size}
        own |= params.model_dump(exclude={"preset"})
        given = {name: value for name, value in own.items() if value is not None}
        return cls(**{**asdict(PRESETS[params.preset]), **given})


BALANCED = Settings(
    epochs=16,
    learning_rate=3e-3,
    batch_size=64,
    steps_per_epoch=30,
    networks=1,
    backbone="auto",
    companions=True,
)
PRESETS = {
    "fast": replace(BALANCED, epochs=8),
    "balanced": BALANCED,
    "best": replace(BALANCED, epochs=24, networks=3),
}
