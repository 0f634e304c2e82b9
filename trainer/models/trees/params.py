"""Parameters of trees."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from trainer.models.catalogue import ModelParams


class Params(ModelParams):
    """What can be set besides the job's own settings."""

    TITLE: ClassVar[str] = "Gradient-boosted trees"
    DESCRIPTION: ClassVar[str] = (
        "Boosted decision trees, strongest on numbers and categories, which may be missing; texts and images join in as a few "
        "numbers each. An epoch adds one tree for each class; learning rate is the weight of new trees; batch size plays no "
        "part."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")

    max_leaf_nodes: int = Field(default=31, ge=2, le=1024, description="most leaves of a tree")
    min_samples_leaf: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="least training rows in a leaf; empty: 20, fewer in small tables",
    )
    l2_regularization: float = Field(default=1.0, ge=0, le=1000, description="pulls leaves towards 0")
    feature_share: float = Field(
        default=0.5, gt=0, le=1, description="share of the features that each split may choose from"
    )
    text_components: int = Field(
        default=32, ge=0, le=512, description="numbers that each text column becomes"
    )
    image_components: int = Field(
        default=32, ge=0, le=512, description="numbers that each image column becomes"
    )
    patience: int = Field(
        default=40,
        ge=1,
        le=10_000,
        description="stop after so many epochs that better neither loss nor accuracy",
    )
    class_weights: bool = Field(default=False, description="weigh rare classes more")
