"""The api's tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.db import UtcDateTime, now


class Base(DeclarativeBase):
    """The api's own tables."""


class Dataset(Base):
    """A table with its files, and how far its two tracks are."""

    __tablename__ = "api_datasets"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # uploaded, ready, rejected
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
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


class Job(Base):
    """A training job and its present attempt."""

    __tablename__ = "api_jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("api_datasets.id"), index=True)
    model: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(Text)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    # True once the present attempt's launch was asked for; a queued job without it waits for its data set
    launch_requested: Mapped[bool] = mapped_column(Boolean, default=False)
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
