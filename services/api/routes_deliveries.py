"""Routes for operators: deliveries between the services, and the dead among them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runtime import deliveries
from runtime.arguments import Blueprint
from services.api import deadletters
from services.api.context import listed
from services.api.wire import deliveries as wire_deliveries
from services.api.wire import errors as wire_errors

if TYPE_CHECKING:
    from runtime.deliveries import Seen
    from services.api.context import Context


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "deliveries",
        __name__,
        url_prefix="/api/deliveries",
        description="Events between services, for operators",
    )
    db, spool_dir = context.all_workspaces, context.settings.spool_dir

    def view(delivery: Seen) -> dict[str, Any]:
        return {**asdict(delivery), "instead": deadletters.instead(delivery, spool_dir)}

    @routes.get("/")
    @routes.arguments(wire_deliveries.DeliveryQuery, location="query")
    @routes.response(200, wire_deliveries.DeliveryPage)
    def list_deliveries(query: dict[str, Any]) -> dict[str, Any]:
        """List deliveries of a state; by default the dead."""
        part = context.part(query)
        with db.read() as session:
            page = deliveries.page(session, query["state"], query["queue"], part)
        return listed(part, page, [view(item) for item in page.items])

    @routes.get("/<int(max=2147483647):delivery_id>/")
    @routes.response(200, wire_deliveries.DeliveryDetail)
    def show(delivery_id: int) -> dict[str, Any]:
        """Show one delivery."""
        with db.read() as session:
            return view(deliveries.get(session, delivery_id))

    @routes.post("/<int(max=2147483647):delivery_id>/requeue/")
    @routes.response(202, wire_deliveries.DeliveryDetail)
    @routes.alt_response(
        409,
        schema=wire_errors.Problem,
        description="Giving it up has ended what it was about; says what to do instead",
    )
    def requeue(delivery_id: int) -> dict[str, Any]:
        """Give a dead delivery another three tries; one that is not dead stays as it is, so asking twice is safe."""
        with db.write() as session:
            return view(deadletters.requeue(session, context.outbox, delivery_id, spool_dir))

    return routes
