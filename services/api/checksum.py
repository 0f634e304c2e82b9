"""Checksums of chunks, as tus 1.0 writes them: an algorithm's name, a blank, the digest in base64."""

from __future__ import annotations

import binascii
import hashlib
import zlib
from base64 import b64decode
from typing import Protocol

from werkzeug.exceptions import BadRequest


class Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None:
        """Take further bytes in."""

    def digest(self) -> bytes:
        """Give the checksum of all bytes so far."""


class _Crc32:
    def __init__(self) -> None:
        self._sum = 0

    def update(self, data: bytes, /) -> None:
        self._sum = zlib.crc32(data, self._sum)

    def digest(self) -> bytes:
        return self._sum.to_bytes(4, "big")


# Browsers give pages without TLS no SHA, and CRC-32 is a few lines there; SHA-1 is the one that tus demands
ALGORITHMS = ("sha1", "sha256", "crc32")


def parse(header: str) -> tuple[Digest, bytes]:
    """Read an Upload-Checksum header.

    Returns:
        Something to count bytes with, and what it should come to.

    Raises:
        BadRequest: It is not well-formed, or of an algorithm that is not known.
    """
    name, _, text = header.partition(" ")
    if name not in ALGORITHMS:
        raise BadRequest(f"The checksum {name[:40]!r} is not known; use one of {', '.join(ALGORITHMS)}.")
    try:
        expected = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("Upload-Checksum is not an algorithm, a blank and a digest in base64.") from None
    return _Crc32() if name == "crc32" else hashlib.new(name, usedforsecurity=False), expected
