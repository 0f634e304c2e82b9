"""Sign-ins under way at an OpenID provider: what a browser that comes back from there is held against, once.

They are rows and nothing in memory, for another process may answer the browser that comes back.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from runtime.access import keys
from runtime.access.models import Flow
from runtime.db import now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COOKIE = "triptych_oidc"
SECONDS = 600  # to type a password, look for a telephone, and type its number


def begin(session: Session, target: str) -> tuple[str, Flow]:
    """Begin one.

    Args:
        session: A write transaction.
        target: The path to go to afterwards.

    Returns:
        The cookie's value, and the row.
    """
    session.execute(delete(Flow).where(Flow.expires_at <= now()))
    cookie = secrets.token_urlsafe(32)
    flow = Flow(
        hash=keys.hash_of(cookie),
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),  # 64 characters; RFC 7636 wants 43 to 128
        target=target,
        expires_at=now() + timedelta(seconds=SECONDS),
    )
    session.add(flow)
    session.flush()
    return cookie, flow


def take(session: Session, cookie: str, state: str) -> Flow | None:
    """Take one away, if cookie and state are of the same one; of two that try at a time one gets it.

    Args:
        session: A write transaction.
        cookie: What the browser has.
        state: What the provider sent it back with.
    """
    flow = session.get(Flow, keys.hash_of(cookie))
    if flow is None or flow.expires_at <= now() or not secrets.compare_digest(flow.state, state):
        return None
    taken = session.execute(delete(Flow).where(Flow.hash == flow.hash).returning(Flow.hash)).all()
    return flow if taken else None
