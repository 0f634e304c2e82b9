"""The audit log."""

from __future__ import annotations

from datetime import UTC

from marshmallow import fields, validate

from services.api.audit import OUTCOMES
from services.api.wire.base import NAME, Answer, Listed, Page


class AuditQuery(Page):
    """Which entries of the audit log to list."""

    who = fields.String(load_default=None, validate=NAME, metadata={"description": "name of the caller"})
    action = fields.String(
        load_default=None,
        validate=validate.Length(max=64),
        metadata={"description": "e.g. training_jobs.start"},
    )
    object = fields.String(
        load_default=None,
        validate=validate.Length(max=200),
        metadata={"description": "e.g. training_jobs/ID"},
    )
    outcome = fields.String(load_default=None, validate=validate.OneOf(OUTCOMES))
    since = fields.AwareDateTime(load_default=None, default_timezone=UTC)
    until = fields.AwareDateTime(load_default=None, default_timezone=UTC)


class AuditEntry(Answer):
    """Who changed what, or was refused to."""

    id = fields.Integer()
    at = fields.DateTime()
    who = fields.String(allow_none=True, metadata={"description": "null where nobody had to sign in"})
    request_id = fields.String(metadata={"description": "as in X-Request-ID and in the logs"})
    method = fields.String()
    action = fields.String(metadata={"description": "the route, e.g. training_jobs.start"})
    object = fields.String(metadata={"description": "what it was about, e.g. training_jobs/ID"})
    outcome = fields.String(
        validate=validate.OneOf(OUTCOMES),
        metadata={"description": "refused: by access or by a conflict, and nothing was changed"},
    )


class AuditPage(Listed):
    """One page of the audit log."""

    items = fields.List(fields.Nested(AuditEntry))
