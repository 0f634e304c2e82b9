"""Bodies of the routes of webhooks."""

from __future__ import annotations

from marshmallow import fields, validate

from services.api.webhooks import JOB_EVENTS, MESSAGE_STATES
from services.api.wire.base import Answer, Listed, Page, Shape


class WebhookWish(Shape):
    """Whom to tell, and of what."""

    url = fields.String(
        required=True,
        validate=validate.Length(min=1, max=2000),
        metadata={"description": "https, at a public address unless WEBHOOK_PRIVATE_ADDRESSES"},
    )
    events = fields.List(
        fields.String(validate=validate.OneOf(JOB_EVENTS)),
        load_default=lambda: list(JOB_EVENTS),
        validate=validate.Length(min=1),
        metadata={"description": "of which ends; of all by default"},
    )
    name = fields.String(load_default="", validate=validate.Length(max=300))


class Webhook(Answer):
    """A webhook."""

    id = fields.String()
    name = fields.String()
    url = fields.String()
    events = fields.List(fields.String())
    enabled = fields.Boolean(metadata={"description": "false once its receiver answered 410"})
    created_at = fields.DateTime()


class NewWebhook(Webhook):
    """A webhook that was just made."""

    secret = fields.String(
        metadata={"description": "what its messages are signed with (Standard Webhooks); shown this once"}
    )


class WebhookPage(Listed):
    """One page of webhooks."""

    items = fields.List(fields.Nested(Webhook))


class MessageQuery(Page):
    """Which messages to list."""

    state = fields.String(load_default=None, validate=validate.OneOf(MESSAGE_STATES))


class WebhookMessage(Answer):
    """A message to a webhook."""

    id = fields.Integer()
    message_id = fields.String(metadata={"description": "webhook-id, alike in all tries"})
    event = fields.String()
    state = fields.String(
        validate=validate.OneOf(MESSAGE_STATES), metadata={"description": "dead: tried for WEBHOOK_HOURS"}
    )
    attempts = fields.Integer()
    last_status = fields.Integer(allow_none=True, metadata={"description": "of the receiver's last answer"})
    last_error = fields.String(allow_none=True)
    created_at = fields.DateTime()
    ended_at = fields.DateTime(allow_none=True)


class MessagePage(Listed):
    """One page of messages."""

    items = fields.List(fields.Nested(WebhookMessage))
