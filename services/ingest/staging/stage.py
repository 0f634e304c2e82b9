"""Staging: every file of a spool into the object store, verified, in as few requests as serve."""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

from contracts.shards import INDEX_NAME, ShardIndex
from runtime.errors import Invalid
from runtime.storage import BadKey, SizeMismatch
from services.ingest.staging.meter import Meter
from services.ingest.staging.parallel import in_parallel
from services.ingest.staging.shards import ShardSource, plan_shards
from services.ingest.staging.spool import files_of, table_of
from services.ingest.staging.stream import files_of_stream, stream_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from contracts.shards import Entry, Shard
    from runtime.storage import ObjectStore
    from services.ingest.staging.shards import File, ShardPlan


class Source(Protocol):
    """What `_Uploads` can send: readable and closable."""

    def read(self, size: int, /) -> bytes:
        """As `runtime.storage.Readable`."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


S = TypeVar("S", bound=Source)


@dataclass(frozen=True)
class Limits:
    """How files are packed and sent.

    Attributes:
        shard_from_files: Number of files from which they are packed into shards,
        shard_below_bytes: if their mean size is below this.
        shard_bytes: Size from which a shard is closed.
        large_bytes: Size from which an object counts as large.
        small_uploads: Small objects sent at a time.
        large_uploads: Large objects sent at a time; the store sends parts of each side by side.
    """

    shard_from_files: int = 256
    shard_below_bytes: int = 1 << 20
    shard_bytes: int = 64 << 20
    large_bytes: int = 8 << 20
    small_uploads: int = 8
    large_uploads: int = 2


@dataclass(frozen=True)
class Staged:
    """Where a data set's bytes are now.

    Attributes:
        train_file: URI of the table.
        train_folder: URI of the folder of its files, without a slash at its end; None without files.
        bytes_total: Bytes of the table and the files.
        files: Number of files, the table not among them.
        shards: Number of shards they are packed into; 0 for plain objects.
    """

    train_file: str
    train_folder: str | None
    bytes_total: int
    files: int
    shards: int


def stage(
    spool: Path,
    dataset_id: str,
    store: ObjectStore,
    *,
    progress: Callable[[int, int], None],
    limits: Limits,
) -> Staged:
    """Copy `spool/table.csv` and `spool/files/**` to `datasets/<id>/table.csv` and `datasets/<id>/images`.

    Many small files become tar shards with an index (contracts/shards.py), others plain objects. What the store
    already holds, by size and checksum, is not sent again, so a run that was cut short is completed by the next;
    objects of the folder that belong to no file of the spool are removed. The index of a shard set stands only while
    every shard it names is in place.

    Args:
        spool: Folder that holds `table.csv` and perhaps `files/`.
        dataset_id: Names the folder in the store.
        store: Where to.
        progress: See `Meter`; gets bytes done and bytes in all.
        limits: How files are packed and sent.

    Raises:
        Invalid: For what another try cannot cure: a file is gone or changed or has an impossible name.
        Exception: The store's own errors, which are none of the data set's; `runtime.storage.trouble` sorts them.
    """
    folder = f"datasets/{dataset_id}/images"
    with _permanent_errors():
        table, files = _files(spool, store)
        total = table.size + sum(file.size for file in files)
        uploads = _Uploads(store, dataset_id, Meter(total, progress))
        plain = {f"datasets/{dataset_id}/table.csv": table}
        shards = 0
        if _should_shard(files, limits):
            shards = _send_shards(uploads, folder, files, limits)
        else:
            plain |= {f"{folder}/{file.name}": file for file in files}
        _send_files(uploads, plain, limits)
        uploads.remove_leftovers(folder)
    return Staged(
        train_file=store.uri(f"datasets/{dataset_id}/table.csv"),
        train_folder=store.uri(folder) if files else None,
        bytes_total=total,
        files=len(files),
        shards=shards,
    )


def _files(spool: Path, store: ObjectStore) -> tuple[File, Sequence[File]]:
    """The table and the other files, where the upload put them: into the spool, or as one object into the store."""
    table: File
    files: Sequence[File]
    if (stream := stream_of(spool)) is not None:
        table, files = files_of_stream(stream, store)
    else:
        table, files = table_of(spool), files_of(spool)
    return table, files


def unstage(dataset_id: str, store: ObjectStore) -> int:
    """Remove everything the store holds of a data set; gives the number of objects."""
    return store.delete_prefix(f"datasets/{dataset_id}")


def _should_shard(files: Sequence[File], limits: Limits) -> bool:
    if any(file.name == INDEX_NAME for file in files):
        return True  # as a plain object it would pass for the index of a shard set
    few = len(files) < limits.shard_from_files
    return not few and sum(file.size for file in files) < limits.shard_below_bytes * len(files)


def _send_files(uploads: _Uploads, files: dict[str, File], limits: Limits) -> None:
    large = [
        partial(uploads.file, key, file) for key, file in files.items() if file.size >= limits.large_bytes
    ]
    small = [
        partial(uploads.file, key, file) for key, file in files.items() if file.size < limits.large_bytes
    ]
    in_parallel(large, limits.large_uploads)
    in_parallel(small, limits.small_uploads)


def _send_shards(uploads: _Uploads, folder: str, files: Sequence[File], limits: Limits) -> int:
    entries: dict[str, Entry] = {}

    def tasks() -> Iterator[Callable[[], Shard]]:
        for plan in plan_shards(files, limits.shard_bytes):
            entries.update(plan.entries())
            yield partial(uploads.shard, folder, plan)

    shards = in_parallel(tasks(), limits.large_uploads)
    uploads.index(folder, ShardIndex(shards=shards, files=entries))
    return len(shards)


class _Uploads:
    """Sends what the store does not hold yet, and knows what it held before."""

    def __init__(self, store: ObjectStore, dataset_id: str, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._before = {found.key: found.size for found in store.list(f"datasets/{dataset_id}")}
        self._wanted: set[str] = set()
        self._lock = Lock()

    def file(self, key: str, file: File) -> None:
        self._send(key, file.size, file.size, file.open)

    def shard(self, folder: str, plan: ShardPlan) -> Shard:
        return self._send(
            f"{folder}/{plan.name}",
            plan.size,
            plan.content,
            partial(ShardSource, plan),
            before_change=partial(self._remove, f"{folder}/{INDEX_NAME}"),
        ).shard()

    def index(self, folder: str, index: ShardIndex) -> None:
        data = index.model_dump_json().encode()
        self._send(f"{folder}/{INDEX_NAME}", len(data), 0, partial(io.BytesIO, data))

    def remove_leftovers(self, folder: str) -> None:
        """Remove what lay in the folder and is of no use now; first the index, so that none names missing shards."""
        leftovers = [key for key in self._before if key.startswith(f"{folder}/") and key not in self._wanted]
        for key in sorted(leftovers, key=lambda key: key != f"{folder}/{INDEX_NAME}"):
            self._remove(key)

    def _send(
        self,
        key: str,
        size: int,
        content: int,
        open_source: Callable[[], S],
        before_change: Callable[[], None] | None = None,
    ) -> S:
        self._wanted.add(key)
        if self._before.get(key) == size:
            with closing(open_source()) as source:
                if self._store.holds(key, source, size):
                    self._meter.add(content)
                    return source
        if before_change:
            before_change()
        with closing(open_source()) as source:
            self._store.put_stream(key, source, size, progress=self._meter.upload(content, size))
        return source

    def _remove(self, key: str) -> None:
        with self._lock:
            if self._before.pop(key, None) is not None:
                self._store.delete(key)


@contextmanager
def _permanent_errors() -> Iterator[None]:
    try:
        yield
    except BadKey as error:
        raise Invalid(f"A file cannot be stored: {error}.") from error
    except SizeMismatch as error:
        raise Invalid(f"A file changed while it was staged: {error}. Upload the data set again.") from error
