"""Predictions, and the rows of their results."""

from __future__ import annotations

from marshmallow import fields, validate

from services.api.predictions import STATES
from services.api.wire.base import Answer, Listed, Page, Shape


class PredictionQuery(Page):
    """Which predictions to list."""

    job = fields.String(load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))


class PredictionWish(Shape):
    """What to predict: rows sent along, or a data set."""

    job_id = fields.String(required=True)
    dataset_id = fields.String(load_default=None)
    rows = fields.List(
        fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True)),
        load_default=None,
        validate=validate.Length(min=1),
        metadata={"description": "cells by column; what a row lacks is missing"},
    )
    images = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        load_default=dict,
        metadata={
            "description": "base64, or a data: URL of it, by the name that cells of the rows use; "
            "they may also name files of the data set the model was trained on"
        },
    )
    top_k = fields.Integer(
        load_default=None,
        strict=True,
        validate=validate.Range(min=1, max=1000),
        metadata={"description": "most probable classes to name, instead of every class's probability"},
    )
    contributions = fields.Boolean(
        load_default=False,
        metadata={"description": "also say what each modality added to the log-probability of the answer"},
    )


class Prediction(Answer):
    """A prediction, and how far it is."""

    id = fields.String()
    job_id = fields.String()
    dataset_id = fields.String(allow_none=True)
    name = fields.String()
    state = fields.String(validate=validate.OneOf(STATES))
    reason = fields.String(allow_none=True)
    top_k = fields.Integer(allow_none=True)
    contributions = fields.Boolean()
    rows = fields.Integer()
    size = fields.Integer(metadata={"description": "bytes of the CSV"})
    notes = fields.List(fields.String(), metadata={"description": "what was assumed"})
    created_at = fields.DateTime()
    finished_at = fields.DateTime(allow_none=True)


class PredictionPage(Listed):
    """One page of predictions."""

    items = fields.List(fields.Nested(Prediction))


class RowsQuery(Shape):
    """How many rows of a result to show."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class PredictedRows(Answer):
    """The first rows of a result."""

    columns = fields.List(fields.String())
    rows = fields.List(fields.List(fields.String()))
