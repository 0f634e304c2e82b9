"""Tables of access. Of keys and sessions only hashes are kept: who reads the database can use neither."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.db import UtcDateTime, now
from runtime.tables import Base

DEFAULT = (
    "default"  # the workspace of what was there before there were any, and of jobs that nobody made here
)


class Workspace(Base):
    """What owns data sets and jobs; what is in one does not exist for the others."""

    __tablename__ = "runtime_workspaces"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Key(Base):
    """An API key of a workspace."""

    __tablename__ = "runtime_keys"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("runtime_workspaces.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(
        String(64), unique=True
    )  # SHA-256: a key is 256 random bits, no password
    hint: Mapped[str] = mapped_column(String(12))  # its last characters, by which a person tells keys apart
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)  # to about an hour


class SignIn(Base):
    """A signed-in browser. One that signed in by a key lasts no longer than the key."""

    __tablename__ = "runtime_sessions"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("runtime_workspaces.id"))
    key_id: Mapped[str | None] = mapped_column(ForeignKey("runtime_keys.id"), index=True)
    name: Mapped[str] = mapped_column(String(300))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Flow(Base):
    """A sign-in under way at an OpenID provider; see flows.py."""

    __tablename__ = "runtime_oidc_flows"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # of the cookie
    state: Mapped[str] = mapped_column(String(64))  # ties the provider's answer to the browser that asked
    nonce: Mapped[str] = mapped_column(String(64))  # ties its ID token to it
    verifier: Mapped[str] = mapped_column(
        String(128)
    )  # ties its code to it (PKCE); it leaves for the provider alone
    target: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class OwnedJob(Base):
    """Which workspace a job is in, told by the api in the transaction that makes it, for services that keep no jobs."""

    __tablename__ = "runtime_jobs"
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("runtime_workspaces.id"))
