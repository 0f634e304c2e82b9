"""The launcher's table: one row for each attempt of a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime.db import UtcDateTime, now

WAITING, LAUNCHING, RUNNING, STOPPING, ENDED = "waiting", "launching", "running", "stopping", "ended"


class Base(DeclarativeBase):
    """The launcher's own tables."""


class Run(Base):
    """An attempt of a job: waiting → launching → running → (stopping →) ended; a stray goes back to stopping. Floats are Unix seconds."""

    __tablename__ = "launcher_runs"
    __table_args__ = (
        UniqueConstraint("job_id", "attempt"),
        # In which the oldest that waits is found without reading the others
        Index("launcher_runs_order", "state", "requested_at", "id"),
        # In which the few strays are found without reading all that ever ended
        Index("launcher_runs_strays", "stray_until"),
    )
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default=WAITING)
    spec: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    cpus: Mapped[float] = mapped_column(Float, default=1.0)
    memory_mb: Mapped[int] = mapped_column(Integer, default=0)
    max_seconds: Mapped[int] = mapped_column(Integer, default=0)
    # What earlier attempts have used of it
    ran_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    # 0: may be silent for ever
    max_idle_seconds: Mapped[int] = mapped_column(Integer, default=0)
    # The ids that were bound when the launch was asked for, for logs and events about the run
    correlation: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # waiting: not before this; launching: until then the launch is in someone's hands
    due_at: Mapped[float] = mapped_column(Float, default=0.0)
    launch_tries: Mapped[int] = mapped_column(Integer, default=0)
    first_tried_at: Mapped[float | None] = mapped_column(Float, default=None)
    launcher: Mapped[str | None] = mapped_column(String(32), default=None)
    handle: Mapped[str | None] = mapped_column(Text, default=None)
    launched_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    # When the trainer began to run, by the provider's clock
    started_at: Mapped[float | None] = mapped_column(Float, default=None)
    # What the metrics service told last of its silence: since when, good until when, and whether nobody else is heard
    silent_since: Mapped[float | None] = mapped_column(Float, default=None)
    silent_until: Mapped[float] = mapped_column(Float, default=0.0)
    everyone_silent: Mapped[bool] = mapped_column(Boolean, default=False)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    stop_reason: Mapped[str | None] = mapped_column(Text, default=None)
    # A job.finished.v1 about this attempt exists, by whomever: nothing is left to tell
    reported: Mapped[bool] = mapped_column(Boolean, default=False)
    reported_at: Mapped[float | None] = mapped_column(Float, default=None)
    # Since when the provider says that it has exited, or does not know it
    gone_at: Mapped[float | None] = mapped_column(Float, default=None)
    # It ended while the provider did not know it, so it may live: until then it is asked for, and stopped
    stray_until: Mapped[float | None] = mapped_column(Float, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    exit_code: Mapped[int | None] = mapped_column(Integer, default=None)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
