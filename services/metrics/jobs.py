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
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from services.metrics.items import Draft, Numbered


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
    by_identity: dict[str, Draft] = {}
    for draft in drafts:
        by_identity.setdefault(draft.identity, draft)
    if not by_identity:
        return []
    known = set(
        session.scalars(
            select(Item.identity).where(Item.job_id == job.job_id, Item.identity.in_(by_identity))
        )
    )
    fresh = [draft for identity, draft in by_identity.items() if identity not in known]
    numbered = [
        items.Numbered(seq, draft.kind, draft.attempt, draft.at, draft.data)
        for seq, draft in enumerate(fresh, job.last_seq + 1)
    ]
    if fresh:
        session.execute(
            insert(Item.__table__),  # type: ignore[arg-type]  # SQLAlchemy types __table__ as FromClause
            [
                {
                    "job_id": job.job_id,
                    "seq": item.seq,
                    "identity": draft.identity,
                    "kind": draft.kind,
                    "attempt": draft.attempt,
                    "at": draft.at,
                    "data": draft.data,
                }
                for item, draft in zip(numbered, fresh, strict=True)
            ],
        )
        job.last_seq += len(fresh)
    return numbered
