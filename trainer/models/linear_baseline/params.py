"""Parameters of linear_baseline."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from trainer.models.catalogue import ModelParams


class Params(ModelParams):
    """What can be set besides the job's own settings."""

    TITLE: ClassVar[str] = "Linear baseline"
    DESCRIPTION: ClassVar[str] = (
        "Logistic regression on word and character frequencies, one-hot categories, scaled numbers, and gradients and colours "
        "of images. Quick, hard to overfit, and the bar that other models must clear. Each epoch tries a weaker regularisation; "
        "learning rate and batch size play no part."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")

    text_features: int = Field(
        default=30_000,
        ge=100,
        le=1_000_000,
        description="most word and character n-grams kept, each text column",
    )
    class_weights: bool = Field(default=False, description="weigh rare classes more")
