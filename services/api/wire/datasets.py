"""Data sets: lists, the two tracks, columns, previews."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from contracts.schema import ColumnProfile, ColumnType, DatasetSchema, Role
from runtime.openapi import MODEL
from services.api.datasets import ORDERS, STATES
from services.api.wire.base import NAME, Answer, Listed, Page, Shape

COLUMN_TYPES = validate.OneOf([kind.value for kind in ColumnType])
_ROLES = validate.OneOf([role.value for role in Role])
_SCHEMA_STATES = validate.OneOf(("pending", "running", "detected", "failed"))
_STAGING_STATES = validate.OneOf(("pending", "running", "staged", "failed"))


class EffectiveColumn(ColumnProfile):
    """A column with the overrides applied."""

    overridden: bool


# Fields of answers hold them, by `_of`
MODELS = (DatasetSchema, EffectiveColumn)


def _of(model: str) -> fields.Field[Any]:
    """Make a field that is one of the contracts' models; it is passed on as it is."""
    return fields.Raw(metadata={MODEL: model})


class DatasetQuery(Page):
    """Which data sets to list."""

    search = fields.String(load_default="", validate=NAME, metadata={"description": "part of the name"})
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))
    order = fields.String(load_default="created", validate=validate.OneOf(tuple(ORDERS)))


class DatasetSummary(Answer):
    """A data set in a list."""

    id = fields.String()
    name = fields.String()
    state = fields.String(validate=validate.OneOf(STATES))
    created_at = fields.DateTime()
    rows = fields.Integer()
    n_columns = fields.Integer()
    files = fields.Integer()
    bytes = fields.Integer(attribute="bytes_total")
    schema_state = fields.String(validate=_SCHEMA_STATES)
    staging_state = fields.String(validate=_STAGING_STATES)


class Track(Answer):
    """How far schema detection is."""

    state = fields.String(validate=_SCHEMA_STATES)
    reason = fields.String(allow_none=True)


class StagingTrack(Answer):
    """How far staging is."""

    state = fields.String(validate=_STAGING_STATES)
    reason = fields.String(allow_none=True)
    bytes_done = fields.Integer()
    bytes_total = fields.Integer()


class DatasetDetail(DatasetSummary):
    """A data set with both tracks and its schema."""

    reason = fields.String(allow_none=True)
    schema_track = fields.Nested(Track)
    staging_track = fields.Nested(StagingTrack)
    schema = _of("DatasetSchema")
    train_file = fields.String(allow_none=True, metadata={"description": "where the table is, once staged"})
    train_folder = fields.String(allow_none=True, metadata={"description": "where its images are"})


class DatasetPage(Listed):
    """One page of data sets."""

    items = fields.List(fields.Nested(DatasetSummary))


class PreviewQuery(Shape):
    """How many rows to show."""

    rows = fields.Integer(load_default=20, validate=validate.Range(min=1, max=50))


class DatasetPreview(Answer):
    """The first rows of a data set."""

    columns = fields.List(fields.String())
    rows = fields.List(fields.List(fields.String(allow_none=True)))
    thumbnails = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String(allow_none=True)),
        metadata={"description": "for each row, by image column, the URL of its thumbnail"},
    )
    schema_complete = fields.Boolean()
    column_stats = fields.List(_of("ColumnProfile"))


class ThumbnailQuery(Shape):
    """How large a thumbnail to make."""

    size = fields.Integer(load_default=96, validate=validate.Range(min=16, max=512))


class ColumnChange(Shape):
    """What a person decides about one column."""

    type = fields.String(validate=COLUMN_TYPES)
    role = fields.String(validate=_ROLES)


class DatasetColumns(Answer):
    """What was detected, the overrides, and the outcome."""

    detected = _of("DatasetSchema")
    overrides = fields.Dict(keys=fields.String(), values=fields.Nested(ColumnChange))
    columns = fields.List(_of("EffectiveColumn"))
    target = fields.String(allow_none=True)


class SchemaChange(Shape):
    """What a person decides about a data set's columns."""

    columns = fields.Dict(keys=fields.String(), values=fields.Nested(ColumnChange), load_default=dict)
    target = fields.String(load_default=None)
