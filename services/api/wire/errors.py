"""What is answered where a request is refused or fails."""

from __future__ import annotations

from marshmallow import INCLUDE, fields

from services.api.wire.base import Shape
from services.api.wire.maintenance import Limit
from services.api.wire.preflight import Finding


class Problem(Shape):
    """A problem document (RFC 9457)."""

    class Meta:
        """A problem may say more than this."""

        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "what was wrong, and what is allowed"})
    errors = fields.Dict(metadata={"description": "what is wrong, by field"})
    findings = fields.List(
        fields.Nested(Finding), metadata={"description": "where the checks before a job stop it"}
    )
    limit = fields.Nested(Limit, metadata={"description": "where one is reached"})
    offset = fields.Integer(metadata={"description": "where an upload goes on"})
