"""Files that their sender put into the object store as one object, read by ranges: nothing of them lies in the spool."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from contracts.stream import STREAM_NAME, StreamIndex
from runtime.storage.base import blocks_of, checked_key

if TYPE_CHECKING:
    from pathlib import Path

    from contracts.stream import Span
    from runtime.storage import ObjectStore

_BLOCK = 4 << 20  # bytes of one request; small files that lie together share it
_HELD = 16  # blocks in memory, enough for as many objects as are sent at a time


def stream_of(spool: Path) -> StreamIndex | None:
    """Say where the files of a data set lie in the store; None where they lie in the spool."""
    try:
        return StreamIndex.model_validate_json((spool / STREAM_NAME).read_bytes())
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class StreamFile:
    """A file of the object; as `SpoolFile`."""

    name: str
    size: int
    offset: int
    blocks: Blocks

    def open(self) -> StreamReader:
        """The file's bytes."""
        return StreamReader(self.blocks, self.offset, self.size)


class StreamReader:
    """Reads a part of the object, once and in order."""

    def __init__(self, blocks: Blocks, offset: int, size: int) -> None:
        self._blocks = blocks
        self._at, self._end = offset, offset + size

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        data = self._blocks.read(self._at, min(size, self._end - self._at))
        self._at += len(data)
        return data

    def close(self) -> None:
        """Nothing is open between reads."""


class Blocks:
    """The object's bytes by blocks, of which the last ones used stay in memory. For several threads."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()

    def read(self, at: int, size: int) -> bytes:
        """Up to `size` bytes from a position on; fewer where a block ends."""
        if size <= 0:
            return b""
        number, begin = divmod(at, _BLOCK)
        return self._block(number)[begin : begin + size]

    def _block(self, number: int) -> bytes:
        with self._lock:
            if (held := self._held.get(number)) is not None:
                self._held.move_to_end(number)
                return held
        block = self._store.get_bytes(self._key, number * _BLOCK, _BLOCK)
        with self._lock:
            self._held[number] = block
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        return block


def files_of_stream(stream: StreamIndex, store: ObjectStore) -> tuple[StreamFile, list[StreamFile]]:
    """The table, and the files beside it in the order of their bytes, so that shards are read from one end to the other.

    Raises:
        BadKey: A file has a name that no object may have.
    """
    blocks = Blocks(store, stream.key)

    def file(name: str, span: Span) -> StreamFile:
        return StreamFile(checked_key(name), span.size, span.offset, blocks)

    in_order = sorted(stream.files.items(), key=lambda item: item[1].offset)
    return file("table.csv", stream.table), [file(name, span) for name, span in in_order]


def copy_table(stream: StreamIndex, store: ObjectStore, target: Path) -> None:
    """Copy the table to a file, some megabytes at a time."""
    table, _ = files_of_stream(stream.model_copy(update={"files": {}}), store)
    with closing(table.open()) as source, target.open("wb") as sink:
        sink.writelines(blocks_of(source))
