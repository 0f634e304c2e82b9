"""What the ingest workers do on each event: profile a table, stage an upload, remove a deleted data set's objects."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.events import (
    DatasetDeleted,
    DatasetSchemaDetected,
    DatasetSchemaFailed,
    DatasetStaged,
    DatasetStagingFailed,
    DatasetStagingProgressed,
    DatasetUploaded,
)
from runtime.errors import Invalid
from runtime.storage.trouble import store_may_return
from services.ingest.staging import stage, unstage
from services.ingest.staging.stream import copy_table, stream_of
from tabular.errors import Unreadable
from tabular.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from contracts.events import Event
    from contracts.schema import DatasetSchema
    from runtime.bus import Work
    from runtime.storage import ObjectStore
    from services.ingest.staging import Limits


# Of a data set that was deleted nobody is left to read it; one that was put back from a copy may lack its upload
_NO_UPLOAD = "its upload is not in the spool (SPOOL_DIR) any more; upload it again"
STAGED_BYTES = ("triptych_staging_bytes_total", "Bytes of data sets brought into the object store.")


def schema_handlers(spool_dir: Path, store: ObjectStore) -> dict[str, Callable[[Any, Work], None]]:
    """Give the handlers of the queue ingest.schema.

    Args:
        spool_dir: Where uploads lie.
        store: Where the schema goes, as datasets/<id>/schema.json.
    """

    def uploaded(event: DatasetUploaded, work: Work) -> None:
        folder = spool_dir / event.spool
        if not folder.exists():
            _end(work, DatasetSchemaFailed(dataset_id=event.dataset_id, reason=_NO_UPLOAD))
            return
        try:
            with store_may_return():
                schema = _profile(folder, store)
        except Unreadable as error:
            _end(work, DatasetSchemaFailed(dataset_id=event.dataset_id, reason=str(error)))
            return
        key = f"datasets/{event.dataset_id}/schema.json"
        with store_may_return():
            store.put_bytes(key, schema.model_dump_json().encode(), content_type="application/json")
        _end(
            work,
            DatasetSchemaDetected(
                dataset_id=event.dataset_id,
                schema_uri=store.uri(key),
                rows=schema.rows,
                columns=len(schema.columns),
            ),
        )

    return {DatasetUploaded.NAME: uploaded}


def _profile(folder: Path, store: ObjectStore) -> DatasetSchema:
    stream = stream_of(folder)
    if stream is None:
        root = folder / "files"
        files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
        return profile_table(folder / "table.csv", files=files)
    with tempfile.TemporaryDirectory(dir=folder) as near:
        table = Path(near) / "table.csv"
        copy_table(stream, store, table)
        return profile_table(table, files=stream.files.keys())


def staging_handlers(
    spool_dir: Path,
    store: ObjectStore,
    limits: Limits,
    progress_seconds: float,
    count: Callable[[float], None] = lambda _: None,
) -> dict[str, Callable[[Any, Work], None]]:
    """Give the handlers of the queue ingest.staging.

    Args:
        spool_dir: Where uploads lie.
        store: Where they go, under datasets/<id>/.
        limits: How they are packed.
        progress_seconds: Least time between two progress events.
        count: Told of bytes that are there.
    """

    def uploaded(event: DatasetUploaded, work: Work) -> None:
        folder = spool_dir / event.spool
        if not folder.exists():
            _end(work, DatasetStagingFailed(dataset_id=event.dataset_id, reason=_NO_UPLOAD))
            return
        progress = _Progress(event.dataset_id, work, progress_seconds, count)
        try:
            with store_may_return():
                staged = stage(folder, event.dataset_id, store, progress=progress, limits=limits)
        except Invalid as error:
            _end(work, DatasetStagingFailed(dataset_id=event.dataset_id, reason=str(error)))
            return
        _end(
            work,
            DatasetStaged(
                dataset_id=event.dataset_id,
                train_file=staged.train_file,
                train_folder=staged.train_folder,
                bytes_total=event.table_bytes + event.file_bytes,
                files=staged.files,
            ),
        )

    def deleted(event: DatasetDeleted, work: Work) -> None:
        with store_may_return():
            unstage(event.dataset_id, store)
            for job_id in event.job_ids:
                store.delete_prefix(f"jobs/{job_id}")
                store.delete_prefix(
                    f"specs/{job_id}"
                )  # gone already, unless a launcher died at the job's end
        _end(work, None)

    return {DatasetUploaded.NAME: uploaded, DatasetDeleted.NAME: deleted}


def _end(work: Work, told: Event | None) -> None:
    with work.finish() as session:
        if told is not None:
            work.outbox.emit(session, told)


class _Progress:
    """Tells of progress now and then: each telling is a row and a message. Called from several threads."""

    def __init__(self, dataset_id: str, work: Work, seconds: float, count: Callable[[float], None]) -> None:
        self._dataset_id = dataset_id
        self._work = work
        self._count = count
        self._most = 0  # bytes done fall when a part is sent again
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._lock = threading.Lock()

    def __call__(self, done: int, total: int) -> None:
        with self._lock:
            self._count(max(0, done - self._most))
            self._most = max(done, self._most)
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + self._seconds
            with self._work.checkpoint() as session:
                told = DatasetStagingProgressed(
                    dataset_id=self._dataset_id, bytes_done=done, bytes_total=total
                )
                self._work.outbox.emit(session, told)
