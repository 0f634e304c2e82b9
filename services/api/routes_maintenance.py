"""Routes that say how full the platform is, and what it will remove."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from runtime.arguments import Blueprint
from services.api import cleaning
from services.api.wire import maintenance as wire_maintenance

if TYPE_CHECKING:
    from services.api.context import Context


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "maintenance", __name__, url_prefix="/api/maintenance", description="Limits and clean-up"
    )

    @routes.get("/")
    @routes.response(200, wire_maintenance.Maintenance)
    def show() -> dict[str, Any]:
        """Show every limit as it stands, and what will be removed from the object store; removes nothing."""
        with context.db.read() as session:
            removals, total = cleaning.waiting(session, context.settings.max_page_size)
        return {
            "limits": context.quotas.figures(),
            "free_bytes": shutil.disk_usage(context.settings.spool_dir).free,
            "min_free_bytes": context.settings.min_free_bytes,
            "removals": removals,
            "removals_total": total,
        }

    return routes
