"""The api's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.access.models import DEFAULT
from runtime.db import UtcDateTime, now


class Base(DeclarativeBase):
    """The api's own tables."""


class Owned:
    """What a workspace owns; scope.py keeps it from the others."""

    workspace_id: Mapped[str] = mapped_column(String(32), default=DEFAULT, server_default=DEFAULT)


class Dataset(Owned, Base):
    """A table with its files, and how far its two tracks are."""

    __tablename__ = "api_datasets"
    # Lists are searched and paged, and bytes added up, in an index alone: a row's JSON may be long
    __table_args__ = (
        Index("ix_api_datasets_list", "workspace_id", "created_at", "id", "name"),
        Index("ix_api_datasets_bytes", "workspace_id", "table_bytes", "file_bytes"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # uploaded, ready, rejected
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    table_name: Mapped[str] = mapped_column(String(300))
    table_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(Integer)
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    schema_state: Mapped[str] = mapped_column(String(16), default="pending")
    schema_reason: Mapped[str | None] = mapped_column(Text, default=None)
    staging_state: Mapped[str] = mapped_column(String(16), default="pending")
    staging_reason: Mapped[str | None] = mapped_column(Text, default=None)
    bytes_done: Mapped[int] = mapped_column(BigInteger, default=0)
    train_file: Mapped[str | None] = mapped_column(Text, default=None)
    train_folder: Mapped[str | None] = mapped_column(Text, default=None)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    n_columns: Mapped[int] = mapped_column(Integer, default=0)
    # A table may have thousands of columns, so lists do without these two
    detected: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    preview: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    overrides: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    target: Mapped[str | None] = mapped_column(Text, default=None)

    @property
    def bytes_total(self) -> int:
        """Bytes to stage."""
        return self.table_bytes + self.file_bytes


class OpenUpload(Owned, Base):
    """Files that come in chunks. Its id becomes the data set's; its bytes and its manifest lie in the spool."""

    __tablename__ = "api_uploads"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(300))
    fingerprint: Mapped[str] = mapped_column(String(128), index=True)  # by which its sender finds it again
    state: Mapped[str] = mapped_column(String(16), default="open")  # open, completed, refused
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    offset: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes that are there for good
    length: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(Integer)
    way: Mapped[str] = mapped_column(
        String(8), default="spool", server_default="spool"
    )  # or store: past the api
    store_upload: Mapped[str | None] = mapped_column(Text, default=None)  # the store's own id of it
    part_bytes: Mapped[int | None] = mapped_column(
        BigInteger, default=None
    )  # of each part in the store but the last
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Job(Owned, Base):
    """A training job and its present attempt."""

    __tablename__ = "api_jobs"
    # As for data sets: what a list counts, skips or sorts is read from the index alone
    __table_args__ = (
        Index(
            "ix_api_jobs_list",
            "workspace_id",
            "created_at",
            "id",
            "name",
            "state",
            "dataset_id",
            "finished_at",
        ),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("api_datasets.id"), index=True)
    model: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(Text)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    # The attempt after which it is not tried again by itself
    last_attempt: Mapped[int] = mapped_column(Integer, default=1)
    # How long the attempts have run that ended since someone started or retried it
    ran_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    # True once the present attempt's launch was asked for; a queued job without it waits for its data set
    launch_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    # The first attempt whose checkpoint a next one may go on from; those before were given up, see cleaning.py
    checkpoints_from: Mapped[int] = mapped_column(Integer, default=1, server_default=text("1"))
    launcher: Mapped[str | None] = mapped_column(String(32), default=None)
    handle: Mapped[str | None] = mapped_column(Text, default=None)
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    artifacts: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # of the checks before it
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None, index=True)


class JobStep(Base):
    """One state a job went through."""

    __tablename__ = "api_job_steps"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("api_jobs.id"), index=True)
    attempt: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Prediction(Owned, Base):
    """A table that a job's model predicts: a data set's, or rows that came with the request."""

    __tablename__ = "api_predictions"
    __table_args__ = (Index("ix_api_predictions_workspace", "workspace_id", "created_at"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("api_jobs.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("api_datasets.id"), index=True, default=None)
    # of the data set, or of the first row; kept when the data set is deleted
    name: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # waiting (for its data set), running, succeeded, failed
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    top_k: Mapped[int | None] = mapped_column(Integer, default=None)
    contributions: Mapped[bool] = mapped_column(Boolean)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    notes: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


class Garbage(Base):
    """Objects that nothing refers to: found so, or given up. Removed once due, if nothing refers to them then either."""

    __tablename__ = "api_garbage"
    key: Mapped[str] = mapped_column(String(200), primary_key=True)  # of an object, or of a folder of them
    why: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Chore(Base):
    """Something that of several workers one does when it is due. Unix seconds."""

    __tablename__ = "api_chores"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    due_at: Mapped[float] = mapped_column(Float)


class IdempotentRequest(Base):
    """A request that came with an Idempotency-Key; see idempotency.py."""

    __tablename__ = "api_idempotency"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of who sent it, and the key
    fingerprint: Mapped[str] = mapped_column(String(64))  # SHA-256 of what was sent
    state: Mapped[str] = mapped_column(String(16))  # running, done (its change is), answered
    token: Mapped[int] = mapped_column(Integer)  # fences off a request that was given up
    busy_until: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    status: Mapped[int | None] = mapped_column(Integer, default=None)
    headers: Mapped[dict[str, str] | None] = mapped_column(JSON, default=None)
    body: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)


class AuditEntry(Base):
    """Who changed what, or was refused to; see audit.py."""

    __tablename__ = "api_audit"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    workspace: Mapped[str | None] = mapped_column(String(32), index=True, default=None)
    who: Mapped[str | None] = mapped_column(
        String(300), default=None
    )  # null where nobody had to prove anything
    request_id: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(64))  # the route: training_jobs.start
    object: Mapped[str] = mapped_column(String(200), index=True)  # training_jobs/ID
    outcome: Mapped[str] = mapped_column(String(16))  # done, refused, failed


class Webhook(Owned, Base):
    """An address that is told of jobs' ends."""

    __tablename__ = "api_webhooks"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(String(100))  # needed as it is, to sign with
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class WebhookMessage(Base):
    """A message to a webhook; see webhook_sender.py."""

    __tablename__ = "api_webhook_messages"
    __table_args__ = (Index("ix_api_webhook_messages_due", "state", "due_at"),)
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    message_id: Mapped[str] = mapped_column(String(64))
    webhook_id: Mapped[str] = mapped_column(ForeignKey("api_webhooks.id"), index=True)
    event: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))  # pending, delivered, dead
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[float] = mapped_column(
        Float, default=0.0
    )  # Unix seconds; while it is tried, its lease's end
    last_status: Mapped[int | None] = mapped_column(Integer, default=None)
    last_error: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None, index=True)
