"""Parameters of multimodal."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from trainer.models.catalogue import ModelParams
from trainer.models.multimodal.presets import PRESETS

Backbone = Literal[
    "auto",
    "small",
    "medium",
    "convnext_tiny",
    "efficientnet_b0",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "resnet18",
    "resnet50",
]


class Params(ModelParams):
    """What can be set besides the job's own settings; what is left unset is as the preset says."""

    TITLE: ClassVar[str] = "Multimodal network"
    DESCRIPTION: ClassVar[str] = (
        "A network with a branch for images, one for text and one for numbers, categories and dates, fused late. Trains from "
        "scratch on any mix of them, on a CPU or a GPU; missing values and images are allowed."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")
    SHARED: ClassVar[bool] = True

    # so that a form can say what a setting is where it is left unset
    model_config = ConfigDict(
        json_schema_extra={"presets": {name: asdict(settings) for name, settings in PRESETS.items()}}
    )

    preset: Literal["fast", "balanced", "best"] = Field(
        default="balanced",
        description="fast: a first answer; balanced: what most data deserves; best: several networks, several times as long",
    )
    image_size: int | None = Field(
        default=None, ge=16, le=512, multiple_of=8, description="pixels images are fitted into"
    )
    backbone: Backbone | None = Field(
        default=None,
        description="image network that is trained; auto: one of torchvision's where the platform has weights of it, else small",
    )
    finetune: bool | None = Field(
        default=None,
        title="Train pretrained weights further",
        description="else they stay as they are; by default on a GPU only",
    )
    augment: bool | None = Field(
        default=None, description="shift, scale, turn and light training images a little"
    )
    horizontal_flip: bool | None = Field(
        default=None, description="also mirror them; only where left and right mean the same"
    )
    text_features: int | None = Field(
        default=None,
        ge=100,
        le=1_000_000,
        description="most word and character n-grams kept, each text column",
    )
    text_max_chars: int | None = Field(
        default=None,
        ge=10,
        le=100_000,
        title="Longest text",
        description="characters of a text that are read",
    )
    width: int | None = Field(
        default=None,
        ge=8,
        le=2048,
        title="Width of each branch",
        description="numbers each branch hands to the fusion",
    )
    networks: int | None = Field(
        default=None, ge=1, le=20, description="networks trained one after the other, their answers averaged"
    )
    companions: bool | None = Field(
        default=None,
        title="Train other models beside it",
        description="also train linear_baseline and trees, and weigh all answers as validation rows advise",
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="in the fusion head")
    modality_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="how often a training row loses one of its modalities"
    )
    text_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="share of each text's n-grams that a training step leaves out"
    )
    class_weights: bool | None = Field(default=None, description="weigh rare classes more")
    focal: float | None = Field(
        default=None,
        ge=0,
        le=5,
        title="Dwell on hard rows",
        description="exponent of the focal loss, which dwells on hard rows; 0 is plain",
    )
    label_smoothing: float | None = Field(
        default=None, ge=0, lt=1, description="share of each label given to all classes"
    )
    weight_decay: float | None = Field(default=None, ge=0, le=1, description="of AdamW")
    scheduler: Literal["plateau", "cosine"] | None = Field(
        default=None,
        description="plateau: lower the learning rate when the validation loss stalls; cosine: warm up, then anneal",
    )
    patience: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        title="Stop early after",
        description="with plateau: stop after so many validation passes that better neither loss nor accuracy; 0 never",
    )
    averaged_steps: int | None = Field(
        default=None,
        title="Average weights over",
        ge=1,
        le=100_000,
        description="steps over which weights are averaged; 1 takes them as they are",
    )
    steps_per_epoch: int | None = Field(
        default=None,
        title="Least steps in an epoch",
        ge=0,
        le=10_000,
        description="least optimizer steps in an epoch: small tables get smaller batches, down to 8 rows; 0 never",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="of the training's large products; auto: bfloat16 on GPUs that have it, else float32",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where there is one"
    )
