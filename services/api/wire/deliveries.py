"""Events on their way to the queues, dead letters among them."""

from __future__ import annotations

from marshmallow import fields, validate

from contracts.topology import QUEUES
from runtime.deliveries import STATES
from services.api.wire.base import Answer, Listed, Page


class DeliveryQuery(Page):
    """Which deliveries to list."""

    state = fields.String(
        load_default="dead",
        validate=validate.OneOf(STATES),
        metadata={"description": "dead: tried as often as allowed, or failed in a way that does not pass"},
    )
    queue = fields.String(load_default=None, validate=validate.OneOf(QUEUES))


class DeliverySummary(Answer):
    """An event on its way to one queue."""

    id = fields.Integer()
    state = fields.String(validate=validate.OneOf(STATES))
    queue = fields.String()
    event = fields.String()
    event_id = fields.String()
    subject = fields.String(metadata={"description": "id of the data set, job or prediction it is about"})
    attempts = fields.Integer(metadata={"description": "tries, since it was last requeued"})
    last_error = fields.String()
    emitted_at = fields.DateTime()
    ended_at = fields.DateTime(
        allow_none=True, metadata={"description": "when it was handled, or given up for dead"}
    )
    instead = fields.String(
        allow_none=True,
        metadata={
            "description": "what to do instead of a requeue, where giving it up has ended what it was about; else null"
        },
    )


class DeliveryDetail(DeliverySummary):
    """A delivery, with what its event says."""

    data = fields.Dict()


class DeliveryPage(Listed):
    """One page of deliveries."""

    items = fields.List(fields.Nested(DeliverySummary))
