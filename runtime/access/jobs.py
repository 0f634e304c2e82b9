"""Which workspace a job is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.access.models import DEFAULT, OwnedJob
from runtime.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def own(session: Session, job_id: str, workspace_id: str) -> None:
    """Write down whose a new job is; for good, because what others keep of a job may outlive it."""
    session.add(OwnedJob(job_id=job_id, workspace_id=workspace_id))


def require(session: Session, job_id: str, workspace_id: str) -> None:
    """Let a workspace see its job; one that nobody made here, whose callbacks have the fixed token, is the first one's.

    Raises:
        NotFound: It is another's.
    """
    owned = session.get(OwnedJob, job_id)
    if (owned.workspace_id if owned else DEFAULT) != workspace_id:
        raise NotFound(f"There is no job {job_id!r}.")
