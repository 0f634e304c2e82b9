"""Data sets: take one in, list, look up, delete, and follow its two tracks."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, select
from sqlalchemy.orm import load_only

from contracts.events import DatasetDeleted, DatasetUploaded, JobDeleted
from contracts.topology import SCHEMA, STAGING
from runtime import deliveries, log
from runtime.errors import Conflict, NotFound
from runtime.paging import Order
from services.api import changes, job_states, predictions
from services.api.direct import stream_of
from services.api.models import Dataset, Job, JobStep

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from sqlalchemy.orm import Session

    from contracts.schema import DatasetSchema
    from runtime.outbox import Outbox
    from runtime.paging import Page, Part
    from runtime.storage import ObjectStore
    from services.api.intake import Upload

_log = logging.getLogger(__name__)
ENDED = ("detected", "staged", "failed")  # of either track
SETTLED = (
    Dataset.schema_state.in_(ENDED),
    Dataset.staging_state.in_(ENDED),
)  # the spool is no longer needed, unless it was given up


def new_id() -> str:
    """Make an id: 32 hexadecimal digits."""
    return uuid4().hex


def register(
    session: Session,
    outbox: Outbox,
    dataset_id: str,
    upload: Upload,
    detected: DatasetSchema,
    preview: dict[str, Any],
) -> Dataset:
    """Record an upload that lies complete in the spool, and tell ingest.

    Args:
        session: A write transaction.
        outbox: For the event.
        dataset_id: Also the name of its spool folder.
        upload: What was received.
        detected: The schema of its first rows.
        preview: Its first rows, as preview.head makes them.
    """
    dataset = Dataset(
        id=dataset_id,
        name=upload.name or upload.table_name,
        state="uploaded",
        table_name=upload.table_name,
        table_bytes=upload.table_bytes,
        files=len(upload.files),
        file_bytes=upload.file_bytes,
        rows=detected.rows,
        n_columns=len(detected.columns),
        detected=detected.model_dump(mode="json"),
        preview=preview,
        overrides={},
    )
    session.add(dataset)
    session.flush()
    outbox.emit(
        session,
        DatasetUploaded(
            dataset_id=dataset_id,
            spool=dataset_id,
            table_bytes=upload.table_bytes,
            files=len(upload.files),
            file_bytes=upload.file_bytes,
        ),
    )
    return dataset


def get(session: Session, dataset_id: str, *, lock: bool = False) -> Dataset:
    """Look one up.

    Args:
        session: A transaction.
        dataset_id: Its id.
        lock: Whether to keep others from changing it until the transaction ends.

    Raises:
        NotFound: There is none by that id.
    """
    dataset = session.get(
        Dataset,
        dataset_id,
        # Not the key: jobs of it may be added meanwhile, and two that were would else wait for each other for ever
        with_for_update={"key_share": True} if lock else None,
        populate_existing=lock,  # else one that this transaction has read before would stay as it was then
    )
    if dataset is None:
        raise NotFound(f"There is no data set {dataset_id!r}.")
    return dataset


ORDERS = {
    "created": Order("created", Dataset.created_at, Dataset.id),
    "name": Order("name", Dataset.name, Dataset.id),
}
STATES = ("uploaded", "ready", "rejected")


def page(session: Session, search: str, state: str | None, order: str, part: Part) -> Page:
    """List data sets.

    Finding, counting and skipping read ix_api_datasets_list alone, which holds some 100 bytes a data set, unless a state is
    wanted; rows, whose JSON may be long, are read for the page only.

    Args:
        session: A transaction.
        search: Part of the name; "" for all.
        state: Of this state only; None for all.
        order: One of ORDERS.
        part: Which part.

    Raises:
        Invalid: The cursor is none.
    """
    by = ORDERS[order]
    found = select(Dataset.created_at, Dataset.id, Dataset.name)
    if search:
        found = found.where(Dataset.name.icontains(search, autoescape=True))
    if state:
        found = found.where(Dataset.state == state)
    total = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    wanted = by.cut(found, part).subquery()
    query = select(Dataset).join(wanted, Dataset.id == wanted.c.id).options(load_only(*_LISTED))
    items = session.scalars(by.sort(query, part)).all()
    return by.page(items, total, part, lambda item: (getattr(item, by.column.key), item.id))


_LISTED = (
    Dataset.name,
    Dataset.state,
    Dataset.created_at,
    Dataset.table_bytes,
    Dataset.file_bytes,
    Dataset.files,
    Dataset.rows,
    Dataset.n_columns,
    Dataset.schema_state,
    Dataset.staging_state,
)


def known(session: Session, ids: Collection[str]) -> set[str]:
    """Give those of some ids that data sets have."""
    return set(session.scalars(select(Dataset.id).where(Dataset.id.in_(ids))))


def delete(session: Session, outbox: Outbox, dataset_id: str) -> None:
    """Delete a data set with its ended jobs; tell ingest to remove their objects, and the metrics service what it keeps of them.

    Raises:
        NotFound: There is none by that id.
        Conflict: A job that uses it has not ended.
    """
    dataset = get(session, dataset_id)
    jobs = session.scalars(select(Job).where(Job.dataset_id == dataset_id)).all()
    busy = [job.name for job in jobs if job.state in job_states.LIVE]
    if busy:
        raise Conflict(f"The job {busy[0]!r} uses this data set and has not ended; cancel it first.")
    ids = [job.id for job in jobs]
    predictions.forget(session, dataset_id, ids)
    session.execute(sql_delete(JobStep).where(JobStep.job_id.in_(ids)))
    session.execute(sql_delete(Job).where(Job.id.in_(ids)))
    session.execute(sql_delete(Dataset).where(Dataset.id == dataset.id))
    changes.note(session, dataset)
    for job in jobs:
        changes.note(session, job)
    for job_id in ids:
        with log.bound(job_id=job_id):
            outbox.emit(session, JobDeleted(job_id=job_id))
    outbox.emit(session, DatasetDeleted(dataset_id=dataset_id, job_ids=ids))


def settle(dataset: Dataset) -> bool:
    """Set the state that follows from the two tracks.

    Returns:
        Whether both have ended, so that the spool is no longer needed, unless one was given up.
    """
    tracks = (dataset.schema_state, dataset.staging_state)
    if "failed" in tracks:
        dataset.state = "rejected"
    elif tracks == ("detected", "staged"):
        dataset.state = "ready"
    return all(track in ENDED for track in tracks)


def reopen(session: Session, dataset_id: str, track: str) -> None:
    """Set a track back that failed because its work was given up, since that is tried anew.

    Args:
        session: A write transaction.
        dataset_id: Whose.
        track: schema or staging.

    Raises:
        NotFound: There is no such data set.
    """
    dataset = get(session, dataset_id, lock=True)
    setattr(dataset, f"{track}_state", "pending")
    setattr(dataset, f"{track}_reason", None)
    dataset.state = "rejected" if "failed" in (dataset.schema_state, dataset.staging_state) else "uploaded"


def given_up(session: Session, ids: Collection[str], died_after: float = 0.0) -> set[str]:
    """Give those data sets whose upload was given up by the platform's own fault since a moment (Unix seconds).

    Their uploads are kept, so that the dead letters can be requeued.
    """
    # Of events of data sets that are there, ingest hears but of their uploads
    return deliveries.dead_subjects(session, ids, (SCHEMA, STAGING), died_after)


def drop_spool(spool_dir: Path, dataset_id: str) -> None:
    """Remove an upload from the spool; that it is gone already is fine."""
    shutil.rmtree(spool_dir / dataset_id, ignore_errors=True)


def drop_upload(spool_dir: Path, dataset_id: str, store: ObjectStore) -> None:
    """Remove an upload that was staged, from the spool and, where its sender put it into the store, from there."""
    if (stream := stream_of(spool_dir / dataset_id)) is not None:
        try:
            store.delete(stream.key)
        except Exception as error:  # noqa: BLE001 - the folder that tells of it stays, and the cleaner tries again
            _log.warning("cannot remove an upload now", extra={"key": stream.key, "error": str(error)})
            return
    drop_spool(spool_dir, dataset_id)
