"""Signed-in browsers: a cookie stands for a row, which ends with its time, its key, or when the person signs out."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete

from runtime.access import keys
from runtime.access.models import Key, SignIn
from runtime.access.principal import Principal
from runtime.db import now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

COOKIE = "triptych_session"


def begin(session: Session, principal: Principal, *, key_id: str | None, hours: float) -> str:
    """Sign a browser in.

    Args:
        session: A write transaction.
        principal: Whom it will stand for.
        key_id: The key it was signed in by, if any.
        hours: How long it lasts.

    Returns:
        The cookie's value.
    """
    session.execute(delete(SignIn).where(SignIn.expires_at <= now()))
    cookie = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            hash=keys.hash_of(cookie),
            workspace_id=principal.workspace,
            key_id=key_id,
            name=principal.name,
            scopes=sorted(principal.scopes),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    session.flush()
    return cookie


def find(session: Session, cookie: str) -> Principal | None:
    """Give whom a cookie stands for, if it counts."""
    row = session.get(SignIn, keys.hash_of(cookie))
    if row is None or row.expires_at <= now():
        return None
    if row.key_id is not None:
        key = session.get(Key, row.key_id)
        if key is None or not keys.counts(key):
            return None
    who = row.key_id or f"session:{row.name}"
    return Principal(row.workspace_id, frozenset(row.scopes), row.name, who, by_cookie=True)


def end(session: Session, cookie: str) -> None:
    """Sign a browser out."""
    session.execute(delete(SignIn).where(SignIn.hash == keys.hash_of(cookie)))
