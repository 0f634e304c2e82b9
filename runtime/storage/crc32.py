"""CRC-32 as S3 writes it, over a whole object or over the parts it was sent in."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

from runtime.storage.base import SizeMismatch

if TYPE_CHECKING:
    from runtime.storage.base import Readable


class Crc32:
    """A running checksum.

    Args:
        part_size: Bytes of every part but the last, for S3's composite type: the CRC-32 of the parts' CRC-32s, with the
            number of parts after a hyphen. None for the CRC-32 of the whole.
    """

    def __init__(self, part_size: int | None = None) -> None:
        self.part_size = part_size
        self._parts = bytearray()
        self._value = 0
        self._filled = 0  # bytes of the current part

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        if self.part_size is None:
            self._value = zlib.crc32(data, self._value)
            return
        rest = memoryview(data)
        while rest:
            taken = rest[: self.part_size - self._filled]
            rest = rest[len(taken) :]
            self._value = zlib.crc32(taken, self._value)
            self._filled += len(taken)
            if self._filled == self.part_size:
                self._parts += self._value.to_bytes(4, "big")
                self._value = self._filled = 0

    def text(self) -> str:
        """The checksum so far as in S3's answers: base64, with `-<parts>` for the composite type."""
        if self.part_size is None:
            return _base64(self._value)
        parts = bytes(self._parts) + (self._value.to_bytes(4, "big") if self._filled else b"")
        return f"{_base64(zlib.crc32(parts))}-{len(parts) // 4}"

    def comparable(self, told: str) -> bool:
        """Whether S3's answer is of the same type and over as many parts."""
        return told.partition("-")[2] == self.text().partition("-")[2]


class CheckedSource:
    """Passes reads on, with the checksum of what was read, and fails unless `size` bytes come.

    Has no `seek`, so boto3 reads it once and in order; never reads short but at the end, because a part shorter than
    the others would be refused.
    """

    def __init__(self, source: Readable, size: int, crc: Crc32) -> None:
        self._source = source
        self._size = self._left = size
        self._crc = crc

    def read(self, size: int, /) -> bytes:
        """The next bytes.

        Raises:
            SizeMismatch: If the source ends early, or does not end.
        """
        data = self._source.read(size)
        while len(data) < size and (more := self._source.read(size - len(data))):
            data += more
        self._left -= len(data)
        if self._left < 0 or (self._left and len(data) < size):
            less = "more" if self._left < 0 else "less"
            raise SizeMismatch(f"the source has {less} than the {self._size} bytes announced")
        self._crc.update(data)
        return data


def _base64(checksum: int) -> str:
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
