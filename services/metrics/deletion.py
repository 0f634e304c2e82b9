"""Removes what is kept of a job that was deleted. Its row stays, marked, so that what is told of it late brings nothing back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from runtime.errors import NotFound
from services.metrics import items, jobs
from services.metrics.models import Item, Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_DROP = delete(Item).where(
    Item.job_id == bindparam("of_job"),
    Item.seq.in_(
        select(Item.seq).where(Item.job_id == bindparam("of_job")).order_by(Item.seq).limit(bindparam("most"))
    ),
)


def forget(session: Session, job_id: str, most: int) -> bool:
    """Mark a job as deleted and delete some of its items.

    Args:
        session: A write transaction.
        job_id: The job; whether anything was told of it does not matter.
        most: Items to delete in this transaction.

    Returns:
        Whether items may be left.
    """
    job = jobs.lock(session, job_id)
    job.state, job.reason, job.last_seq, job.heartbeat = items.DELETED, "", 0, None
    jobs.append(session, job, [])
    dropped = session.connection().execute(_DROP, {"of_job": job_id, "most": most})
    return dropped.rowcount == most


def require(session: Session, job_id: str) -> None:
    """Let a job be looked at, unless it was deleted; of one that nobody reported there is simply nothing yet.

    Raises:
        NotFound: It was deleted.
    """
    if session.scalar(select(Job.state).where(Job.job_id == job_id)) == items.DELETED:
        raise NotFound(f"There is no job {job_id!r}.")
