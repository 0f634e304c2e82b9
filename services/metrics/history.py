"""Reads a job's items back, in pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from services.metrics.items import EVALUATION, POINT, TERMINAL, Numbered
from services.metrics.models import Item, Job
from services.metrics.thinning import Thinner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.db import Database

PAGE = 2000  # rows fetched at a time


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

    def thinned(self, job_id: str, wanted: int, epochs: tuple[float, float] | None = None) -> Page:
        """Read what a viewer who comes late needs, without most of the points of a long training.

        Args:
            job_id: The job.
            wanted: About how many points to keep of each split; a job with no more items is given whole.
            epochs: Only the latest attempt's points of these epochs, first and last, and nothing else.

        Returns:
            Items in the order of their numbers: of points and evaluations those of the latest attempt alone, of its
            evaluations the best one and the last. The job's items after ``last_seq`` are what has come since.
        """
        with self._db.read() as session:
            job = session.get(Job, job_id)
            if job is None:
                return Page([], 0, ended=False, heartbeat=None)
            rows = session.execute(
                select(Item.seq, Item.kind, Item.attempt, Item.at, Item.data)
                .where(Item.job_id == job_id, Item.seq <= job.last_seq)
                .order_by(Item.seq)
                .execution_options(yield_per=PAGE)
            )
            items = (Numbered(*row) for row in rows)
            whole = job.last_seq <= wanted and epochs is None
            found = list(items) if whole else _thin(items, job, wanted, epochs)
            return Page(found, job.last_seq, job.state in TERMINAL, job.heartbeat)


def _thin(
    items: Iterable[Numbered], job: Job, wanted: int, epochs: tuple[float, float] | None
) -> list[Numbered]:
    points = Thinner(wanted, job.last_seq, epochs)
    others: list[Numbered] = []
    best = last = None
    for item in items:
        if item.kind == POINT:
            if item.attempt == job.attempt:
                points.add(item)
        elif item.kind != EVALUATION:
            others.append(item)
        elif item.attempt == job.attempt:
            last = item
            best = item if json.loads(item.data)["best"] else best
    if epochs is not None:
        return points.kept()
    evaluations = {item.seq: item for item in (best, last) if item is not None}
    return sorted([*points.kept(), *others, *evaluations.values()], key=lambda item: item.seq)
