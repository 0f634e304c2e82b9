"""That the platform answers, how full it is, and what it will remove."""

from __future__ import annotations

from marshmallow import fields, validate

from services.api.wire.base import Answer


class Health(Answer):
    """That the API answers."""

    status = fields.String(validate=validate.Equal("ok"))


class Limit(Answer):
    """A limit that the platform sets itself."""

    setting = fields.String(metadata={"description": "the variable that sets it"})
    most = fields.Integer(metadata={"description": "the most allowed; 0: no limit"})
    used = fields.Integer(metadata={"description": "how much there is"})


class StandingLimit(Limit):
    """A limit, and what it counts."""

    counts = fields.String()


class Removal(Answer):
    """Something that will be removed from the object store, unless something refers to it by then."""

    key = fields.String(metadata={"description": "of an object, or of a folder"})
    why = fields.String()
    due_at = fields.DateTime()


class Maintenance(Answer):
    """How full the platform is, and what it will remove."""

    limits = fields.List(fields.Nested(StandingLimit))
    free_bytes = fields.Integer(metadata={"description": "of the disk where uploads arrive"})
    min_free_bytes = fields.Integer()
    removals = fields.List(fields.Nested(Removal), metadata={"description": "the first to go first"})
    removals_total = fields.Integer()
