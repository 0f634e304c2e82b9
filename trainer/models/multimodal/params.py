"""Parameters of multimodal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from trainer.models.catalogue import ModelParams


class Params(ModelParams):
    """What can be set besides the job's own settings."""

    TITLE: ClassVar[str] = "Multimodal network"
    DESCRIPTION: ClassVar[str] = (
        "A network with a branch for images, one for text and one for numbers, categories and dates, fused late. Trains from "
        "scratch on any mix of them, on a CPU or a GPU; missing values and images are allowed."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")

    image_size: int = Field(
        default=64, ge=16, le=256, multiple_of=8, description="pixels images are fitted into"
    )
    augment: bool = Field(default=True, description="shift, scale and turn training images a little")
    horizontal_flip: bool = Field(
        default=False, description="also mirror them; only where left and right mean the same"
    )
    text_features: int = Field(
        default=30_000,
        ge=100,
        le=1_000_000,
        description="most word and character n-grams kept, each text column",
    )
    text_max_chars: int = Field(
        default=2_000, ge=10, le=100_000, description="characters of a text that are read"
    )
    width: int = Field(default=128, ge=8, le=2048, description="numbers each branch hands to the fusion")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="in the fusion head")
    modality_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="how often a training row loses one of its modalities"
    )
    class_weights: bool = Field(default=False, description="weigh rare classes more")
    label_smoothing: float = Field(
        default=0.05, ge=0, lt=1, description="share of each label given to all classes"
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="of AdamW")
    scheduler: Literal["plateau", "cosine"] = Field(
        default="plateau",
        description="plateau: lower the learning rate when the validation loss stalls; cosine: warm up, then anneal",
    )
    patience: int = Field(
        default=6,
        ge=0,
        le=10_000,
        description="with plateau: stop after so many validation passes that better neither loss nor accuracy; 0 never",
    )
    steps_per_epoch: int = Field(
        default=30,
        ge=0,
        le=10_000,
        description="least optimizer steps in an epoch: small tables get smaller batches, down to 8 rows; 0 never",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where there is one"
    )
