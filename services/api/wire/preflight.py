"""What the checks before a job found."""

from __future__ import annotations

from marshmallow import fields, validate

from contracts.preflight import Code, Severity
from services.api.wire.base import Answer


class Finding(Answer):
    """One thing to know before a training is paid for; contracts.preflight says more of each field."""

    code = fields.String(validate=validate.OneOf([code.value for code in Code]))
    severity = fields.String(validate=validate.OneOf([severity.value for severity in Severity]))
    message = fields.String()
    columns = fields.List(fields.String())
    rows = fields.List(fields.Integer())
    values = fields.List(fields.String())
    overridable = fields.Boolean()
    ignored = fields.Boolean()


class Preflight(Answer):
    """What the checks found, errors first."""

    version = fields.Integer()
    rows = fields.Integer()
    rows_in_table = fields.Integer(allow_none=True)
    images = fields.Integer()
    findings = fields.List(fields.Nested(Finding))
