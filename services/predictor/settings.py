"""Settings of the predictor."""

from __future__ import annotations

import shlex
import sys
from typing import Self

from pydantic import Field, model_validator

from runtime.settings import Settings


class PredictorSettings(Settings):
    """The environment of the predictor."""

    worker_concurrency: int = Field(default=2, ge=1, description="predictions made at a time")
    loaded_models: int = Field(
        default=2,
        ge=1,
        description="models kept loaded, each in a process of some 500 MB; at least as many as predictions at a time",
    )
    idle_seconds: int = Field(
        default=600, ge=1, description="time without a prediction after which a model is unloaded"
    )
    load_seconds: float = Field(
        default=300, gt=0, description="time that installing what a model requires and loading it may take"
    )
    prediction_seconds: float = Field(
        default=3600, gt=0, description="time that one prediction may take, downloads included"
    )
    serve_command: str = Field(
        default="",
        description="command line of a model's process; empty: python -m trainer.serve of this installation",
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        # A prediction shows no progress on its way, so that it would lose its work before its own limit
        longest = self.load_seconds + self.prediction_seconds
        if self.work_max_seconds <= longest:
            raise ValueError(
                f"WORK_MAX_SECONDS ({self.work_max_seconds:g}) must be above LOAD_SECONDS and PREDICTION_SECONDS together ({longest:g})"
            )
        return self

    def command(self) -> list[str]:
        """Give the command line, but for its arguments."""
        # -P: modules come from where they are installed, never from the working folder
        return shlex.split(self.serve_command) or [sys.executable, "-P", "-m", "trainer.serve"]
