"""Parameters of dummy_model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from trainer.models.catalogue import ModelParams


class Params(ModelParams):
    """Knobs that make a run of the platform long, or end it badly, on purpose."""

    TITLE: ClassVar[str] = "Class frequencies"
    DESCRIPTION: ClassVar[str] = (
        "Learns how frequent each class is and always answers with the most frequent one. A baseline, and a fast way to "
        "try the platform itself."
    )
    MODALITIES: ClassVar[tuple[str, ...]] = ("image", "text", "tabular")

    seconds_per_epoch: float = Field(default=0, ge=0, le=3600, description="wait this long in every epoch")
    fail_at_epoch: int | None = Field(default=None, ge=1, description="raise an error in this epoch")
