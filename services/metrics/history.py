"""Reads a job's items back, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json
from sqlalchemy import select

from services.metrics.items import DELETED, EVALUATION, OVER, POINT, Numbered
from services.metrics.models import Item, Job
from services.metrics.thinning import Digests, Thinner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from services.metrics.thinning import Digest, Epochs

PAGE = 2000  # rows fetched at a time
NUMBERED = (Item.seq, Item.kind, Item.attempt, Item.at, Item.data)  # what a Numbered is made of
_ITEMS = Item.__table__


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and where their job was just before they were read."""

    items: list[Numbered]
    last_seq: int
    ended: bool
    heartbeat: str | None


class History:
    """A job's items in the database. No connection is held between two pages."""

    def __init__(self, db: Database, digests: Digests) -> None:
        self._db = db
        self._digests = digests

    def page(self, job_id: str, after: int, limit: int) -> Page:
        """Read items in the order of their numbers.

        Args:
            job_id: The job; of one nobody reported there is simply nothing yet, of a deleted one nothing any more.
            after: The last number that is not wanted.
            limit: The most items read.
        """
        with self._db.read() as session:
            job = session.get(Job, job_id)
            if job is None or job.state == DELETED:
                return Page([], 0, ended=job is not None, heartbeat=None)
            rows = session.execute(
                select(*NUMBERED)
                .where(Item.job_id == job_id, Item.seq > after)
                .order_by(Item.seq)
                .limit(limit)
            )
            found = [Numbered(*row) for row in rows]
            return Page(found, job.last_seq, job.state in OVER, job.heartbeat)

    def thinned(self, job_id: str, wanted: int, epochs: Epochs | None = None) -> Page:
        """Read what a viewer who comes late needs, without most of the points of a long training.

        Only what came since the job was last looked at is read: a first look at 100,000 points costs half a second of a
        processor, the next ones a hundredth of it.

        Args:
            job_id: The job.
            wanted: About how many points to keep of each split; a job with no more items is given whole.
            epochs: Only the latest attempt's points of these epochs, first and last, and nothing else.

        Returns:
            Items in the order of their numbers: of points and evaluations those of the latest attempt alone, of its
            evaluations the best one and the last. The job's items after ``last_seq`` are what has come since.
        """
        here = self.page(job_id, 0, 0).last_seq
        if here == 0 or (here <= wanted and epochs is None):
            whole = self.page(job_id, 0, wanted)
            if whole.last_seq == len(whole.items):  # none came in between
                return whole
        digest = self._digests.of(job_id, wanted)
        # The lock first: a transaction must not begin before the one of whoever read last
        with digest.lock, self._db.read() as session:
            job = session.get_one(Job, job_id)
            _bring_up(session, job, digest)
            # what is committed from now on comes by the stream
            found = _story(session, job, digest) if epochs is None else _zoom(session, job, digest, epochs)
            return Page(found, job.last_seq, job.state in OVER, job.heartbeat)


def _bring_up(session: Session, job: Job, digest: Digest) -> None:
    """Let a digest look at the items that it has not seen."""
    if digest.seq > job.last_seq:  # a backup was restored
        digest.restart()
    unseen = (
        select(_ITEMS.c.seq, _ITEMS.c.kind, _ITEMS.c.attempt, _ITEMS.c.data)
        .where(_ITEMS.c.job_id == job.job_id, _ITEMS.c.seq > digest.seq, _ITEMS.c.seq <= job.last_seq)
        .order_by(_ITEMS.c.seq)
        .execution_options(yield_per=PAGE)
    )
    # Core's rows, not the ORM's: half the time
    for seq, kind, attempt, data in session.connection().execute(unseen):
        if attempt > digest.attempt:
            digest.begin(attempt)
        if kind not in {POINT, EVALUATION}:
            digest.others.append(seq)
        elif attempt == digest.attempt and kind == POINT:
            digest.points.add(seq, data)
        elif attempt == digest.attempt:
            digest.last = seq
            digest.best = seq if from_json(data)["best"] else digest.best
        digest.seq = seq


def _story(session: Session, job: Job, digest: Digest) -> list[Numbered]:
    """Read the items that a digest kept, but for those it has from the last time."""
    kept = digest.kept()
    digest.items = {seq: digest.items[seq] for seq in kept if seq in digest.items}
    digest.items |= _read(session, job, [seq for seq in kept if seq not in digest.items])
    return [digest.items[seq] for seq in kept]


def _zoom(session: Session, job: Job, digest: Digest, epochs: Epochs) -> list[Numbered]:
    """Choose points of some epochs; only the stretches of the job in which they lie are read."""
    numbers = digest.points.numbers_within(epochs)
    if numbers is None:
        return []
    points = Thinner(digest.wanted, numbers[0], epochs)
    those = (
        select(_ITEMS.c.seq, _ITEMS.c.data)
        .where(_ITEMS.c.job_id == job.job_id, _ITEMS.c.seq.between(*numbers), _ITEMS.c.seq <= job.last_seq)
        .where(_ITEMS.c.attempt == digest.attempt, _ITEMS.c.kind == POINT)
        .order_by(_ITEMS.c.seq)
        .execution_options(yield_per=PAGE)
    )
    for seq, data in session.connection().execute(those):
        points.add(seq, data)
    found = _read(session, job, sorted(points.kept()))
    return list(found.values())


def _read(session: Session, job: Job, seqs: Sequence[int]) -> dict[int, Numbered]:
    """Read items by their numbers, in that order."""
    found: dict[int, Numbered] = {}
    for begin in range(0, len(seqs), PAGE):  # a statement may not have any number of parameters
        those = select(*NUMBERED).where(Item.job_id == job.job_id, Item.seq.in_(seqs[begin : begin + PAGE]))
        found |= {row.seq: Numbered(*row) for row in session.execute(those.order_by(Item.seq))}
    return found
