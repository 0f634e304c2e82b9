"""A job's row and its numbered items: the lock, the attempt, the state, and numbers without a gap.

Every function works inside the caller's write transaction, and everything about a job happens under the lock of its
row (the single writer on SQLite). So a number is visible only when all lower ones are, and a reader that has seen
number n has missed nothing before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from runtime.db import now
from services.metrics import items
from services.metrics.models import Item, Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from services.metrics.items import Draft, Numbered

_ITEMS: Table = Item.__table__  # type: ignore[assignment]  # SQLAlchemy types __table__ as FromClause
_MOST_PARAMETERS = 10_000  # of one statement; SQLite takes some 32,000


def find(session: Session, job_id: str) -> Job | None:
    """Take the lock of a job that is known."""
    return session.get(Job, job_id, with_for_update=True)


def lock(session: Session, job_id: str) -> Job:
    """Take the lock of a job, whose row is made where it is new."""
    job = find(session, job_id)
    if job is None:
        try:
            with session.begin_nested():
                session.add(Job(job_id=job_id))
        except IntegrityError:
            pass  # another transaction made it since we looked
        job = session.get_one(Job, job_id, with_for_update=True, populate_existing=True)
    return job


def lock_all(session: Session, job_ids: Iterable[str]) -> dict[str, Job]:
    """Take the locks of several jobs, always in the same order, so that two transactions never wait for each other."""
    wanted = sorted(set(job_ids))
    found = session.scalars(select(Job).where(Job.job_id.in_(wanted)).order_by(Job.job_id).with_for_update())
    locked = {job.job_id: job for job in found}
    return {job_id: locked.get(job_id) or lock(session, job_id) for job_id in wanted}


def begin_attempt(job: Job, attempt: int) -> bool:
    """Make an attempt the present one.

    Returns:
        Whether it is newer than all before.
    """
    if attempt <= job.attempt:
        return False
    job.attempt = attempt
    job.state, job.reason, job.ended_at, job.heartbeat = items.QUEUED, "", None, None
    job.last_seen = job.silence_told_at = None
    return True


def has_ended(job: Job) -> bool:
    """Tell whether the present attempt is over; the first end counts."""
    return job.state in items.TERMINAL


def move(job: Job, state: str, reason: str = "", metrics: Mapping[str, float] | None = None) -> Draft:
    """Set the present attempt's state and draft the item that tells it."""
    at = now()
    # PostgreSQL refuses NUL in text
    reason = reason.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    job.state, job.reason = state, reason
    if state in items.TERMINAL:
        job.ended_at = at
    return items.state(job.attempt, state, at, reason, metrics)


def append(session: Session, job: Job, drafts: Sequence[Draft]) -> list[Numbered]:
    """Number and store the drafts whose identity is new; a repeat takes no number.

    Args:
        session: The transaction that holds the job's lock.
        job: The job.
        drafts: In the order in which they shall be numbered.

    Returns:
        What was new.
    """
    return append_all(session, [(job, drafts)])[0]


def append_all(session: Session, batch: Sequence[tuple[Job, Sequence[Draft]]]) -> list[list[Numbered]]:
    """Do what `append` does for several jobs, in as many statements as for one."""
    known = _known(session, batch)
    told, rows = [], []
    for job, drafts in batch:
        fresh: dict[str, Draft] = {}
        for draft in drafts:
            if (job.job_id, draft.identity) not in known:
                fresh.setdefault(draft.identity, draft)
        numbered = [
            items.Numbered(seq, draft.kind, draft.attempt, draft.at, draft.data)
            for seq, draft in enumerate(fresh.values(), job.last_seq + 1)
        ]
        rows += [
            {"job_id": job.job_id, "identity": identity, **_columns(item)}
            for item, identity in zip(numbered, fresh, strict=True)
        ]
        if numbered:
            job.last_seq += len(numbered)
        told.append(numbered)
    if rows:
        session.execute(insert(_ITEMS), rows)
    return told


def _known(session: Session, batch: Sequence[tuple[Job, Sequence[Draft]]]) -> set[tuple[str, str]]:
    """Find which (job, identity) are stored already. Of several jobs' identities every pair is looked up: they are few."""
    identities = sorted({draft.identity for _, drafts in batch for draft in drafts})
    job_ids = [job.job_id for job, _ in batch]
    known: set[tuple[str, str]] = set()
    for begin in range(0, len(identities), _MOST_PARAMETERS):
        those = identities[begin : begin + _MOST_PARAMETERS]
        stored = select(_ITEMS.c.job_id, _ITEMS.c.identity).where(
            _ITEMS.c.job_id.in_(job_ids), _ITEMS.c.identity.in_(those)
        )
        known.update((row.job_id, row.identity) for row in session.connection().execute(stored))
    return known


def _columns(item: Numbered) -> dict[str, object]:
    return {"seq": item.seq, "kind": item.kind, "attempt": item.attempt, "at": item.at, "data": item.data}
