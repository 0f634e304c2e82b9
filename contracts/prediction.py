"""What the predictor tells a trainer's process that keeps a model loaded, and what that answers: a JSON line each."""

from __future__ import annotations

from pydantic import Field

from contracts.base import Wire
from contracts.schema import Dialect


class PredictionTask(Wire):
    """Predict every row of a table."""

    table: str = Field(description="URI of a CSV with the columns the model was trained on")
    dialect: Dialect | None = Field(
        default=None, description="how the CSV is written; None where that is to be detected"
    )
    images: str | None = Field(description="URI of the images' folder: prefix or shard set")
    out: str = Field(description="URI of the CSV to write: row, prediction, probabilities, contributions")
    top_k: int | None = Field(
        default=None, ge=1, description="most probable classes to name; None gives every class's probability"
    )
    contributions: bool = Field(
        default=False, description="whether to say what each modality added to the predicted class"
    )


class PredictionAnswer(Wire):
    """How it went. The first line of a process answers no task: it says that the model is loaded, or why it is not."""

    error: str = Field(default="", description="why there is no result, for the person who asked")
    rows: int = Field(default=0, ge=0)
    size: int = Field(default=0, ge=0, description="bytes of the CSV")
    notes: list[str] = Field(default_factory=list, description="what was assumed")
