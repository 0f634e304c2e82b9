"""Routes of webhooks: who is told of jobs' ends, and how that goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.arguments import Blueprint
from services.api import datasets, outgoing, webhooks
from services.api.context import listed
from services.api.wire import base as wire_base
from services.api.wire import errors as wire_errors
from services.api.wire import webhooks as wire_webhooks

if TYPE_CHECKING:
    from services.api.context import Context
    from services.api.models import Webhook, WebhookMessage


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "webhooks", __name__, url_prefix="/api/webhooks", description="Addresses that are told of jobs' ends"
    )
    db, settings = context.db, context.settings

    @routes.post("/")
    @routes.arguments(wire_webhooks.WebhookWish)
    @routes.response(201, wire_webhooks.NewWebhook)
    @routes.alt_response(409, schema=wire_errors.Problem, description="There are as many as allowed")
    def create(wish: dict[str, Any]) -> Webhook:
        """Tell an address of jobs' ends, by messages signed as Standard Webhooks has it."""
        outgoing.parse(wish["url"], private=settings.webhook_private_addresses)
        with db.write() as session:
            return webhooks.create(session, datasets.new_id(), **wish, most=settings.max_webhooks)

    @routes.get("/")
    @routes.arguments(wire_base.Page, location="query")
    @routes.response(200, wire_webhooks.WebhookPage)
    def list_webhooks(query: dict[str, Any]) -> dict[str, Any]:
        """List webhooks."""
        part = context.part(query)
        with db.read() as session:
            return listed(part, webhooks.page(session, part))

    @routes.get("/<webhook_id>/")
    @routes.response(200, wire_webhooks.Webhook)
    def show(webhook_id: str) -> Webhook:
        """Show one webhook."""
        with db.read() as session:
            return webhooks.get(session, webhook_id)

    @routes.delete("/<webhook_id>/")
    @routes.response(204)
    def delete(webhook_id: str) -> None:
        """Delete a webhook; messages to it that are still to be delivered are not."""
        with db.write() as session:
            webhooks.delete(session, webhook_id)

    @routes.post("/<webhook_id>/test/")
    @routes.response(202, wire_webhooks.WebhookMessage)
    def test(webhook_id: str) -> WebhookMessage:
        """Send a message that says nothing but that it came."""
        with db.write() as session:
            return webhooks.test(session, webhook_id)

    @routes.get("/<webhook_id>/messages/")
    @routes.arguments(wire_webhooks.MessageQuery, location="query")
    @routes.response(200, wire_webhooks.MessagePage)
    def list_messages(query: dict[str, Any], webhook_id: str) -> dict[str, Any]:
        """List the messages to a webhook, and how their delivery went."""
        part = context.part(query)
        with db.read() as session:
            return listed(part, webhooks.messages(session, webhook_id, query["state"], part))

    return routes
