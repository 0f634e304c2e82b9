"""The models that can be trained."""

from __future__ import annotations

from marshmallow import fields

from services.api.wire.base import Answer


class Model(Answer):
    """A model that can be trained."""

    name = fields.String()
    title = fields.String()
    description = fields.String()
    modalities = fields.List(fields.String())
    params_schema = fields.Dict(metadata={"description": "JSON Schema of its parameters"})


class ModelList(Answer):
    """The models on offer."""

    items = fields.List(fields.Nested(Model))
