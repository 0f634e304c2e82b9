"""Calls for whoever looks after a platform: its health and limits, dead letters, the audit log, webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from client.errors import ApiError
from client.http import Calls, segment

if TYPE_CHECKING:
    from client.types import (
        AuditPage,
        DeliveryDetail,
        DeliveryPage,
        Maintenance,
        MessagePage,
        NewWebhook,
        WebhookMessage,
        WebhookPage,
        WebhookWish,
    )


class OperatorCalls(Calls):
    """The platform itself."""

    def healthy(self) -> bool:
        """Say whether the API answers."""
        try:
            self._get("/api/health/")
        except ApiError:
            return False
        return True

    def maintenance(self) -> Maintenance:
        """Tell how full the platform is, and what it will remove."""
        return self._get("/api/maintenance/")

    def audit(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        object_: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
    ) -> AuditPage:
        """List who changed what and who was refused to, the latest first.

        Args:
            who: Name of the caller.
            action: E.g. training_jobs.start.
            object_: E.g. training_jobs/ID.
            outcome: done, refused or failed.
            since: A time, ISO 8601.
            page_size: Most entries of a page.
            cursor: `next_cursor` of the page before.
        """
        return self._get(
            "/api/audit/",
            who=who,
            action=action,
            object=object_,
            outcome=outcome,
            since=since,
            page_size=page_size,
            cursor=cursor,
        )

    def deliveries(
        self, *, state: str | None = None, queue: str | None = None, page: int | None = None
    ) -> DeliveryPage:
        """List events on their way to queues, the dead ones by default, latest first."""
        return self._get("/api/deliveries/", state=state, queue=queue, page=page)

    def delivery(self, delivery_id: int) -> DeliveryDetail:
        """Look up one, with what its event says."""
        return self._get(f"/api/deliveries/{delivery_id}/")

    def requeue(self, delivery_id: int) -> DeliveryDetail:
        """Try a dead one again, as often as a new one."""
        return self._create(f"/api/deliveries/{delivery_id}/requeue/")

    def webhooks(self) -> WebhookPage:
        """List the addresses that are told of jobs' ends, newest first."""
        return self._get("/api/webhooks/")

    def create_webhook(self, wish: WebhookWish) -> NewWebhook:
        """Tell an address of jobs' ends; the answer alone holds the secret that messages are signed with."""
        return self._create("/api/webhooks/", wish)

    def test_webhook(self, webhook_id: str) -> WebhookMessage:
        """Send a message that says nothing but that it came."""
        return self._create(f"/api/webhooks/{segment(webhook_id)}/test/")

    def webhook_messages(self, webhook_id: str, *, state: str | None = None) -> MessagePage:
        """List the messages to an address, latest first."""
        return self._get(f"/api/webhooks/{segment(webhook_id)}/messages/", state=state)

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with the messages that are still to be delivered."""
        self._delete(f"/api/webhooks/{segment(webhook_id)}/")
