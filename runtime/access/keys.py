"""API keys and workspaces: make, find by what a client sends, list, revoke."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select

from runtime.access.models import DEFAULT, Key, Workspace
from runtime.access.principal import SCOPES, Principal
from runtime.db import now
from runtime.errors import Conflict, Invalid, NotFound
from runtime.settings import KEY_FORM

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

_PREFIX = "trp_"  # by which scanners of code for secrets know one
_USED_TO = timedelta(
    hours=1
)  # as exact as the time of the last use is kept: a write an hour, not one a request


def hash_of(secret: str) -> str:
    """Give what is kept of a key or a session's cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(
    session: Session,
    workspace_id: str,
    name: str,
    scopes: Collection[str],
    *,
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> tuple[Key, str]:
    """Make a key.

    Args:
        session: A write transaction.
        workspace_id: Where it works.
        name: For people.
        scopes: What it may do.
        expires_at: When it ends; None: never.
        secret: The key itself where it was chosen elsewhere.

    Returns:
        The key's row, and the key, which nobody can read back.

    Raises:
        NotFound: There is no such workspace.
        Invalid: A scope is none, or the end has passed.
    """
    if session.get(Workspace, workspace_id) is None:
        raise NotFound(f"There is no workspace {workspace_id!r}.")
    if not scopes or (unknown := sorted(set(scopes) - SCOPES.keys())):
        told = f"{unknown[0]!r} is not one" if scopes else "there is none"
        raise Invalid(f"scopes: {told}; they are {', '.join(SCOPES)}.")
    if expires_at is not None and expires_at <= now():
        raise Invalid("expires_at: it has passed already.")
    secret = secret or _PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id=uuid4().hex,
        workspace_id=workspace_id,
        name=name,
        hash=hash_of(secret),
        hint=secret[-4:],
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key, secret


def keep_first(session: Session, secret: str) -> None:
    """Make the key that a deployment was given for its first workspace, unless it is there; a revoked one stays so."""
    if session.scalar(select(Key.id).where(Key.hash == hash_of(secret))) is None:
        make(session, DEFAULT, "first key", tuple(SCOPES), secret=secret)


def find(session: Session, secret: str) -> Key | None:
    """Give the key that a client sent, if it is one that counts."""
    if KEY_FORM.fullmatch(secret) is None:
        return None
    key = session.scalar(select(Key).where(Key.hash == hash_of(secret)))
    return key if key is not None and counts(key) else None


def counts(key: Key) -> bool:
    """Tell whether a key is neither revoked nor past its end."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now())


def principal_of(key: Key) -> Principal:
    """Give whom a key stands for."""
    return Principal(key.workspace_id, frozenset(key.scopes), key.name, key.id)


def is_stale(key: Key) -> bool:
    """Tell whether its last use should be written down anew."""
    return key.used_at is None or now() - key.used_at > _USED_TO


def of_workspace(session: Session, workspace_id: str) -> Sequence[Key]:
    """List a workspace's keys, newest first, those that no longer count included."""
    return session.scalars(
        select(Key).where(Key.workspace_id == workspace_id).order_by(Key.created_at.desc(), Key.id)
    ).all()


def revoke(session: Session, workspace_id: str, key_id: str) -> Key:
    """End a key for good, and with it every browser that it signed in.

    Raises:
        NotFound: The workspace has no such key.
    """
    key = session.get(Key, key_id)
    if key is None or key.workspace_id != workspace_id:
        raise NotFound(f"There is no key {key_id!r}.")
    key.revoked_at = key.revoked_at or now()
    return key


def make_workspace(session: Session, name: str) -> Workspace:
    """Make a workspace.

    Raises:
        Conflict: There is one of that name.
    """
    if session.scalar(select(Workspace.id).where(Workspace.name == name)) is not None:
        raise Conflict(f"There is a workspace {name!r} already.")
    workspace = Workspace(id=uuid4().hex, name=name)
    session.add(workspace)
    session.flush()
    return workspace


def workspaces(session: Session) -> Sequence[Workspace]:
    """List the workspaces by name."""
    return session.scalars(select(Workspace).order_by(Workspace.name)).all()
