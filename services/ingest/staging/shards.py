"""Packs files into tar shards of about the same size, as streams: no shard is ever whole in memory or on disk.

Two runs over the same files give the same bytes: members come in the given order, and their headers hold nothing but
name and size.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from contracts.shards import Entry, Shard
from runtime.storage.base import SizeMismatch, blocks_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator


END = bytes(2 * tarfile.BLOCKSIZE)  # two empty blocks end a tar file (POSIX.1-2001, pax)


class Opened(Protocol):
    """A file's bytes, read once and in order, then let go of."""

    def read(self, size: int, /) -> bytes:
        """As `runtime.storage.Readable`."""

    def close(self) -> None:
        """Let go of it."""


class File(Protocol):
    """A file to stage, wherever it lies."""

    @property
    def name(self) -> str:
        """Path with forward slashes."""

    @property
    def size(self) -> int:
        """Bytes, when it was listed."""

    def open(self) -> Opened:
        """Its bytes.

        Raises:
            Invalid: It is gone.
        """


@dataclass(frozen=True, slots=True)
class Member:
    """A file at its place in a shard.

    Attributes:
        file: The file.
        header: Its tar header, pax records included.
        offset: Of its first content byte in the shard, in bytes.
    """

    file: File
    header: bytes
    offset: int

    @property
    def end(self) -> int:
        """Where the next header starts, in bytes."""
        return self.offset + self.file.size + _padding(self.file.size)


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One shard to be: its position in the set, and its members in order."""

    position: int
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """Object name under the folder."""
        return f"shard-{self.position:05}.tar"

    @property
    def size(self) -> int:
        """Bytes of the tar file."""
        return self.members[-1].end + len(END)

    @property
    def content(self) -> int:
        """Bytes of the files in it."""
        return sum(member.file.size for member in self.members)

    def entries(self) -> dict[str, Entry]:
        """Where each file's bytes lie."""
        return {
            member.file.name: Entry(shard=self.position, offset=member.offset, size=member.file.size)
            for member in self.members
        }


class ShardSource:
    """The bytes of a shard, read once and in order."""

    def __init__(self, plan: ShardPlan) -> None:
        self._plan = plan
        self._chunks = _chunks(plan)
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes; fewer only at the end.

        Raises:
            Invalid: If a file is gone.
            SizeMismatch: If a file has another size than when the shard was planned.
        """
        while self._held_bytes < size and (chunk := next(self._chunks, None)) is not None:
            self._held.append(chunk)
            self._held_bytes += len(chunk)
        data = b"".join(self._held)
        self._held.clear()
        if rest := data[size:]:
            self._held.append(rest)
        self._held_bytes = len(rest)
        data = data[:size]
        self._digest.update(data)
        return data

    def close(self) -> None:
        """Let go of the file being read."""
        self._chunks.close()

    def shard(self) -> Shard:
        """What the index says of the shard, once all of it was read."""
        return Shard(name=self._plan.name, size=self._plan.size, sha256=self._digest.hexdigest())


def plan_shards(files: Iterable[File], shard_bytes: int) -> Iterator[ShardPlan]:
    """Group files, in their order, into shards that end with the file that fills them.

    Args:
        files: What to pack.
        shard_bytes: Size from which a shard is closed. A larger file makes a larger shard.
    """
    members: list[Member] = []
    position = end = 0
    for file in files:
        info = tarfile.TarInfo(file.name)  # mode 644, owner and time 0
        info.size = file.size
        header = info.tobuf(tarfile.PAX_FORMAT)
        members.append(Member(file, header, end + len(header)))
        end = members[-1].end
        if end >= shard_bytes:
            yield ShardPlan(position, tuple(members))
            members, position, end = [], position + 1, 0
    if members:
        yield ShardPlan(position, tuple(members))


def _chunks(plan: ShardPlan) -> Generator[bytes]:
    for member in plan.members:
        yield member.header
        with closing(member.file.open()) as source:
            came = 0
            for block in blocks_of(source):
                came += len(block)
                yield block
        if came != member.file.size:
            raise SizeMismatch(f"{member.file.name} has {came} bytes, not the {member.file.size} it had")
        yield bytes(_padding(came))
    yield END


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE
