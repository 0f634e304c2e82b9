"""The route that shows the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.arguments import Blueprint
from services.api import audit
from services.api.context import listed
from services.api.wire import audit as wire_audit

if TYPE_CHECKING:
    from services.api.context import Context


def blueprint(context: Context) -> Blueprint:
    """Make the route over its collaborators."""
    routes = Blueprint("audit", __name__, url_prefix="/api/audit", description="Who changed what")

    @routes.get("/")
    @routes.arguments(wire_audit.AuditQuery, location="query")
    @routes.response(200, wire_audit.AuditPage)
    def list_entries(query: dict[str, Any]) -> dict[str, Any]:
        """List the audit log."""
        part = context.part(query)
        with context.db.read() as session:
            return listed(part, audit.page(session, query, part))

    return routes
