"""Reads a job's items back, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from services.metrics.items import TERMINAL, Numbered
from services.metrics.models import Item, Job

if TYPE_CHECKING:
    from runtime.db import Database


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and where their job was just before they were read."""

    items: list[Numbered]
    last_seq: int
    ended: bool
    heartbeat: str | None


class History:
    """A job's items in the database. No connection is held between two pages."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def page(self, job_id: str, after: int, limit: int) -> Page:
        """Read items in the order of their numbers.

        Args:
            job_id: The job; of one nobody reported there is simply nothing yet.
            after: The last number that is not wanted.
            limit: The most items read.
        """
        with self._db.read() as session:
            job = session.get(Job, job_id)
            if job is None:
                return Page([], 0, ended=False, heartbeat=None)
            rows = session.execute(
                select(Item.seq, Item.kind, Item.attempt, Item.at, Item.data)
                .where(Item.job_id == job_id, Item.seq > after)
                .order_by(Item.seq)
                .limit(limit)
            )
            found = [Numbered(*row) for row in rows]
            return Page(found, job.last_seq, job.state in TERMINAL, job.heartbeat)
