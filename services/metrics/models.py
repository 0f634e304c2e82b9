"""The metrics service's tables: one row for each job, and its numbered items."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.db import UtcDateTime


class Base(DeclarativeBase):
    """The metrics service's own tables."""


class Job(Base):
    """Where a job is. Its row lock orders all writes about the job, so that numbers are committed in order."""

    __tablename__ = "metrics_jobs"
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default="", index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    # Launched by this platform: only version 2 callbacks are accepted from then on
    launched: Mapped[bool] = mapped_column(Boolean, default=False)
    # The number of the job's newest item; numbers are 1, 2, 3, … without a gap
    last_seq: Mapped[int] = mapped_column(Integer, default=0)
    heartbeat: Mapped[str | None] = mapped_column(Text, default=None)
    last_seen: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    silence_told_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


class Item(Base):
    """One thing a viewer of the job learns. `identity` says what it is about, so that a repeat is recognised."""

    __tablename__ = "metrics_items"
    __table_args__ = (UniqueConstraint("job_id", "identity", name="metrics_items_identity"),)
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    identity: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # JSON text that is passed on as it is: 100,000 points are replayed without parsing one
    data: Mapped[str] = mapped_column(Text)
