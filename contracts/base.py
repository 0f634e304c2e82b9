"""The base of every wire model: immutable, and strict about fields it does not know."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A message part. Unknown fields are refused, so a typo is an error and never a silent default."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        json_schema_serialization_defaults_required=True,  # what we write has every field
    )
