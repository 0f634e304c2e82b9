"""Webhooks: who is told of jobs' ends, the messages to them, and how these are signed (https://www.standardwebhooks.com).

A message is a row written in the transaction of the job's end, so that none is lost; webhook_sender.py delivers it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select

from runtime.db import now
from runtime.errors import Conflict, NotFound
from runtime.paging import Order
from services.api.models import Webhook, WebhookMessage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.paging import Page, Part
    from services.api.models import Job

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"
MESSAGE_STATES = (PENDING, DELIVERED, DEAD)
JOB_EVENTS = ("job.succeeded", "job.failed", "job.cancelled", "job.timed_out")
TEST = "webhook.test"
_SECRET_BYTES = 32
_BY_CREATION = Order("created", Webhook.created_at, Webhook.id)
_BY_NUMBER = Order("number", WebhookMessage.id, WebhookMessage.id)


def create(session: Session, identity: str, *, url: str, events: list[str], name: str, most: int) -> Webhook:
    """Add a webhook; its URL was checked.

    Raises:
        Conflict: There are as many as allowed.
    """
    if (session.scalar(select(func.count()).select_from(Webhook)) or 0) >= most:
        raise Conflict(f"There are {most} webhooks, as many as allowed (MAX_WEBHOOKS).")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    webhook = Webhook(id=identity, url=url, events=events, name=name, secret=secret)
    session.add(webhook)
    session.flush()
    return webhook


def get(session: Session, webhook_id: str) -> Webhook:
    """Look one up.

    Raises:
        NotFound: There is none by that id.
    """
    found: Webhook | None = session.scalars(select(Webhook).where(Webhook.id == webhook_id)).first()
    if found is None:
        raise NotFound(f"There is no webhook {webhook_id!r}.")
    return found


def page(session: Session, part: Part) -> Page:
    """List webhooks."""
    total = session.scalar(select(func.count()).select_from(select(Webhook).subquery())) or 0
    rows = session.scalars(_BY_CREATION.cut(select(Webhook), part)).all()
    return _BY_CREATION.page(rows, total, part, lambda row: (row.created_at, row.id))


def messages(session: Session, webhook_id: str, state: str | None, part: Part) -> Page:
    """List the messages of one."""
    query = select(WebhookMessage).where(WebhookMessage.webhook_id == get(session, webhook_id).id)
    if state:
        query = query.where(WebhookMessage.state == state)
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = session.scalars(_BY_NUMBER.cut(query, part)).all()
    return _BY_NUMBER.page(rows, total, part, lambda row: (row.id, row.id))


def delete(session: Session, webhook_id: str) -> None:
    """Delete one with its messages."""
    webhook = get(session, webhook_id)
    session.execute(sql_delete(WebhookMessage).where(WebhookMessage.webhook_id == webhook.id))
    session.execute(sql_delete(Webhook).where(Webhook.id == webhook.id))


def announce(session: Session, job: Job) -> None:
    """Write a message to each webhook that wants to hear of a job's end; called in its transaction."""
    event = f"job.{job.state}"
    for webhook in session.scalars(
        select(Webhook).where(Webhook.enabled.is_(True), Webhook.workspace_id == job.workspace_id)
    ):
        if event in webhook.events:
            data = {
                "job_id": job.id,
                "name": job.name,
                "dataset_id": job.dataset_id,
                "model": job.model,
                "state": job.state,
                "reason": job.reason,
                "attempt": job.attempt,
                "url": f"/api/training_jobs/{job.id}/",
            }
            _add(session, webhook, event, data)


def test(session: Session, webhook_id: str) -> WebhookMessage:
    """Write a message that says nothing but that it came."""
    return _add(session, get(session, webhook_id), TEST, {"webhook_id": webhook_id})


def forget(session: Session, keep_days: float) -> None:
    """Forget messages that ended longer ago than some days."""
    session.execute(
        sql_delete(WebhookMessage).where(WebhookMessage.ended_at < now() - timedelta(days=keep_days))
    )


def signed(secret: str, message_id: str, at: int, body: str) -> dict[str, str]:
    """Give the headers that prove where a message comes from, and when it was sent.

    Args:
        secret: The webhook's, whsec_ and base64.
        message_id: Alike in all tries, so that a receiver knows a repetition.
        at: Unix seconds.
        body: As it is sent.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{at}.{body}".encode(), hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _add(session: Session, webhook: Webhook, event: str, data: dict[str, Any]) -> WebhookMessage:
    body = json.dumps({"type": event, "timestamp": now().isoformat(), "data": data}, separators=(",", ":"))
    message = WebhookMessage(
        message_id=f"msg_{secrets.token_hex(16)}",
        webhook_id=webhook.id,
        event=event,
        body=body,
        state=PENDING,
    )
    session.add(message)
    session.flush()
    return message
