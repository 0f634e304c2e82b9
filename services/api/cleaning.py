"""Removes from the object store and the spool what nothing refers to any more; never what something does.

First a row of api_garbage says that a key is to go, then, once it is due, the key goes if nothing refers to it still.
What was given up (a checkpoint, a prediction) is due at once: the row is written in the transaction that takes the last
reference away, and no reference comes back: ids are never used twice, and `Job.checkpoints_from` only grows. What was found
without a reference is due after ORPHAN_HOURS. That time is counted in this database, so that one which is new, or was put back
from a copy, does not take a store full of objects for garbage at its first look.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, or_, select, update

from runtime.db import now
from services.api import datasets, job_states, predictions
from services.api.models import Chore, Dataset, Garbage, Job, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from runtime.storage import ObjectStore
    from services.api.settings import ApiSettings

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_BATCH = 500  # ids compared, or rows changed, in one transaction
_AGAIN = timedelta(hours=1)  # after the store refused
_CHECKPOINT = "checkpoint.pt"
_log = logging.getLogger(__name__)


class Cleaner:
    """One of several, each in a worker of the api; a round is done by one of them."""

    def __init__(
        self, db: Database, store: ObjectStore, settings: ApiSettings, clock: Callable[[], datetime] = now
    ) -> None:
        """Take the collaborators, and what tells the time."""
        self._db = db
        self._store = store
        self._settings = settings
        self._clock = clock

    def round_if_due(self) -> None:
        """Do a round unless another worker did one within CLEAN_SECONDS."""
        clock = self._clock().timestamp()
        with self._db.write() as session:
            mine = session.execute(
                update(Chore)
                .where(Chore.name == "clean", Chore.due_at <= clock)
                .values(due_at=clock + self._settings.clean_seconds)
                .returning(Chore.name)
            ).first()
        if mine is not None:
            self.round()

    def round(self) -> None:
        """Find what nothing refers to, give up what was kept long enough, and remove what is due."""
        kept = timedelta(days=self._settings.keep_failed_uploads_days)
        drop_settled_spool(
            self._db, self._settings.spool_dir, self._store, died_after=(self._clock() - kept).timestamp()
        )
        self._look("datasets")
        self._look("jobs")
        self._look("specs")
        while self._give_up_checkpoints():
            pass
        while self._settings.keep_predictions_days and self._give_up_predictions():
            pass
        self._remove_due()
        before = self._clock() - timedelta(hours=self._settings.unfinished_hours)
        if dropped := self._store.drop_unfinished(before):
            _log.info("removed unfinished writes", extra={"count": dropped})

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """Open a transaction that no other cleaner's runs beside: a round may last until another's begins."""
        with self._db.write() as session:
            session.execute(select(Chore.name).where(Chore.name == "clean").with_for_update())
            yield session

    # --- finding

    def _look(self, kind: str) -> None:
        """Compare the folders of a kind with the rows, and note those without one. Others' names are left alone."""
        names = (name for name in self._store.folders(kind) if _ID.fullmatch(name))
        while batch := list(islice(names, _BATCH)):
            keys = {f"{kind}/{name}" for name in batch}
            due_at = self._clock() + timedelta(hours=self._settings.orphan_hours)
            with self._changing() as session:
                orphans = keys - _referenced(session, keys)
                noted = set(session.scalars(select(Garbage.key).where(Garbage.key.in_(keys))))
                found = orphans - noted
                session.add_all(Garbage(key=key, why="nothing refers to it", due_at=due_at) for key in found)
                session.execute(delete(Garbage).where(Garbage.key.in_(noted - orphans)))
            if found:
                _log.warning(
                    "found objects that nothing refers to",
                    extra={"count": len(found), "example": min(found), "kept_until": due_at.isoformat()},
                )

    # --- giving up

    def _give_up_checkpoints(self) -> int:
        """Let go of checkpoints that no attempt will go on from; gives how many jobs had one to let go of."""
        days = self._settings.keep_checkpoints_days
        over = Job.state == "succeeded"  # which cannot be retried
        if days:
            ended = and_(
                Job.state.in_(job_states.FINAL), Job.finished_at < self._clock() - timedelta(days=days)
            )
            over = or_(over, ended)
        due = and_(over, Job.checkpoints_from <= Job.attempt)
        with self._changing() as session:
            found = session.execute(
                select(Job.id, Job.attempt, Job.checkpoints_from).where(due).limit(_BATCH)
            ).all()
            for job in found:
                # Compared and set: a retry of this moment keeps its checkpoint, one after it goes without
                given_up = session.execute(
                    update(Job)
                    .where(Job.id == job.id, Job.attempt == job.attempt, due)
                    .values(checkpoints_from=job.attempt + 1)
                    .returning(Job.id)
                ).first()
                if given_up is not None:
                    keys = [
                        f"jobs/{job.id}/{attempt}/{_CHECKPOINT}"
                        for attempt in range(job.checkpoints_from, job.attempt + 1)
                    ]
                    self._condemn(session, keys, "no attempt will go on from it")
        return len(found)

    def _give_up_predictions(self) -> int:
        """Delete predictions that ended long ago; gives how many."""
        before = self._clock() - timedelta(days=self._settings.keep_predictions_days)
        old = select(Prediction.id).where(
            Prediction.state.not_in(predictions.OPEN), Prediction.finished_at < before
        )
        with self._changing() as session:
            gone = session.execute(
                delete(Prediction)
                .where(Prediction.id.in_(old.limit(_BATCH)))
                .returning(Prediction.job_id, Prediction.id)
            ).all()
            keys = [predictions.folder(row.job_id, row.id) for row in gone]
            self._condemn(session, keys, "it was kept long enough")
        return len(gone)

    def _condemn(self, session: Session, keys: Collection[str], why: str) -> None:
        """Note keys whose last reference goes in this transaction; of one found before, only the time changes."""
        session.execute(delete(Garbage).where(Garbage.key.in_(keys)))
        session.add_all(Garbage(key=key, why=why, due_at=self._clock()) for key in keys)

    # --- removing

    def _remove_due(self) -> None:
        while keys := self._due():
            with self._db.read() as session:
                referenced = _referenced(session, keys)
            failed = [key for key in keys if key not in referenced and not self._remove(key)]
            with self._db.write() as session:
                session.execute(delete(Garbage).where(Garbage.key.in_(set(keys) - set(failed))))
                session.execute(
                    update(Garbage).where(Garbage.key.in_(failed)).values(due_at=self._clock() + _AGAIN)
                )

    def _due(self) -> list[str]:
        with self._db.read() as session:
            query = (
                select(Garbage.key)
                .where(Garbage.due_at <= self._clock())
                .order_by(Garbage.due_at, Garbage.key)
            )
            return list(session.scalars(query.limit(_BATCH)))

    def _remove(self, key: str) -> bool:
        try:
            if key.endswith(f"/{_CHECKPOINT}"):
                self._store.delete(key)
            else:
                count = self._store.delete_prefix(key)
                _log.info("removed objects", extra={"key": key, "count": count})
        except Exception as error:  # noqa: BLE001 - one key must not keep the others
            _log.warning("cannot remove objects now", extra={"key": key, "error": str(error)})
            return False
        return True


def drop_settled_spool(db: Database, spool_dir: Path, store: ObjectStore, *, died_after: float) -> int:
    """Remove spool folders of data sets whose two tracks have ended; their worker may have died before it could.

    Args:
        db: Where the data sets are.
        spool_dir: Where the folders are.
        store: Where some uploads are.
        died_after: Unix seconds; the upload of a data set that was given up since then is kept.

    Returns:
        How many there were.
    """
    names = (path.name for path in spool_dir.iterdir() if _ID.fullmatch(path.name))
    count = 0
    while batch := list(islice(names, _BATCH)):
        query = select(Dataset.id).where(Dataset.id.in_(batch), *datasets.SETTLED)
        with db.read() as session:
            settled = set(session.scalars(query))
            settled -= datasets.given_up(session, settled, died_after)
        for dataset_id in settled:
            datasets.drop_upload(spool_dir, dataset_id, store)
        count += len(settled)
    return count


def waiting(session: Session, most: int) -> tuple[Sequence[Garbage], int]:
    """List what is to be removed, the first to go first.

    Returns:
        So many of them at most, and how many there are in all.
    """
    total = session.scalar(select(func.count()).select_from(Garbage)) or 0
    return session.scalars(select(Garbage).order_by(Garbage.due_at, Garbage.key).limit(most)).all(), total


def _referenced(session: Session, keys: Collection[str]) -> set[str]:
    """Give those keys that a row still refers to."""
    parts = {key: key.split("/") for key in keys}
    data_sets = datasets.known(session, {names[1] for names in parts.values() if names[0] == "datasets"})
    of_jobs = [names for names in parts.values() if names[0] in {"jobs", "specs"}]
    wanted = {names[1] for names in of_jobs}
    # A job, and from which attempt on its checkpoints are kept
    query = select(Job.id, Job.checkpoints_from).where(Job.id.in_(wanted))
    kept_from = {row.id: row.checkpoints_from for row in session.execute(query)}
    wanted = {names[3] for names in of_jobs if names[2:3] == ["predictions"]}
    of_predictions = set(session.scalars(select(Prediction.id).where(Prediction.id.in_(wanted))))

    def is_kept(kind: str, owner: str, *rest: str) -> bool:
        if kind == "datasets":
            return owner in data_sets
        if not rest:
            return owner in kept_from
        if rest[0] == "predictions":
            return rest[1] in of_predictions
        return owner in kept_from and int(rest[0]) >= kept_from[owner]

    return {key for key, names in parts.items() if is_kept(*names)}
