"""Reads a job's items back, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json
from sqlalchemy import and_, select

from services.metrics.items import EVALUATION, POINT, TERMINAL, Numbered
from services.metrics.models import Item, Job
from services.metrics.thinning import Thinner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from runtime.db import Database

PAGE = 2000  # rows fetched at a time
NUMBERED = (Item.seq, Item.kind, Item.attempt, Item.at, Item.data)  # what a Numbered is made of


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
                select(*NUMBERED)
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
            # what is committed from now on comes by the stream
            mine = and_(Item.job_id == job_id, Item.seq <= job.last_seq)
            every = select(*NUMBERED).where(mine)
            if job.last_seq > wanted or epochs is not None:
                every = every.where(Item.seq.in_(_thin(session, job, wanted, epochs)))
            found = [Numbered(*row) for row in session.execute(every.order_by(Item.seq))]
            return Page(found, job.last_seq, job.state in TERMINAL, job.heartbeat)


def _thin(session: Session, job: Job, wanted: int, epochs: tuple[float, float] | None) -> list[int]:
    """Choose items of a job by their numbers."""
    mine = and_(Item.job_id == job.job_id, Item.seq <= job.last_seq)
    of_attempt = select(Item.seq, Item.data).where(mine, Item.attempt == job.attempt).order_by(Item.seq)
    points = Thinner(wanted, job.last_seq, epochs)
    for seq, data in session.execute(of_attempt.where(Item.kind == POINT).execution_options(yield_per=PAGE)):
        points.add(seq, data)
    if epochs is not None:
        return sorted(points.kept())
    best = last = None
    for seq, data in session.execute(
        of_attempt.where(Item.kind == EVALUATION).execution_options(yield_per=PAGE)
    ):
        last = seq
        best = seq if from_json(data)["best"] else best
    others = session.scalars(select(Item.seq).where(mine, Item.kind.not_in((POINT, EVALUATION))))
    return sorted({*points.kept(), *others, *(seq for seq in (best, last) if seq is not None)})
