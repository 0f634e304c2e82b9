"""What a person can set. The web form, the check of MODEL_PARAMS and the JSON Schema in GET /api/models/ come from this class.

The platform reads this file without the rest of the model, so it should import little, and nothing from requirements.txt.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from trainer.models.catalogue import ModelParams


class Params(ModelParams):
    """Every field has a default, limits and a description."""

    TITLE: ClassVar[str] = "Nearest centroid (example)"
    DESCRIPTION: ClassVar[str] = (
        "Answers with the class whose mean training row is nearest. An example of how to add a model."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")

    sharpness: float = Field(
        default=10, gt=0, le=1000, description="how fast a class's probability falls with its distance"
    )
