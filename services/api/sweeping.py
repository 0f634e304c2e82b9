"""Removes uploads that were forgotten, and folders of the spool that belong to nothing; the api's worker runs it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from runtime.db import now
from services.api import datasets
from services.api.direct import STORE
from services.api.models import OpenUpload

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from runtime.storage import ObjectStore


def sweep(db: Database, spool_dir: Path, hours: float, store: ObjectStore) -> int:
    """Remove uploads that nothing was added to for long, and folders of the spool that belong to nothing.

    Args:
        db: The api's database.
        spool_dir: The spool.
        hours: How long a folder may stand that neither an upload nor a data set owns: one POST may be filling it.
        store: Where uploads lie that go past this service.

    Returns:
        How many folders were removed.
    """
    with db.write() as session:
        ended = session.execute(
            delete(OpenUpload)
            .where(OpenUpload.expires_at <= now())
            .returning(OpenUpload.id, OpenUpload.state, OpenUpload.way)
        ).all()
    removed = [row.id for row in ended if row.state != "completed"]
    for row in ended:
        if row.state != "completed" and row.way == STORE:
            # where this fails, the store's unfinished writes are dropped by the cleaner, after UNFINISHED_HOURS
            store.delete_prefix(f"datasets/{row.id}")
    long_ago = (now() - timedelta(hours=hours)).timestamp()
    old = {path.name for path in spool_dir.iterdir() if path.is_dir() and path.stat().st_mtime < long_ago}
    if old:
        with db.read() as session:
            removed += old - datasets.known(session, old) - _known(session, old)
    for name in removed:
        datasets.drop_spool(spool_dir, name)
    return len(removed)


def _known(session: Session, ids: set[str]) -> set[str]:
    return set(session.scalars(select(OpenUpload.id).where(OpenUpload.id.in_(ids))))
