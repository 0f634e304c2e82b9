"""Cuts a file of any size, in any encoding, into UTF-8 blocks of whole records with newlines as line ends."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from tabular.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from contracts.schema import Dialect

BLOCK_BYTES = 8 << 20
LONGEST_RECORD = 16 << 20
LONGEST_LINE = 32 << 20


def utf8_chunks(path: Path, encoding: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the text of a file as UTF-8 without byte order mark; CRLF and CR become LF, also inside cells.

    Bytes that are invalid in the encoding become U+FFFD where they have to be decoded (not where the file is
    UTF-8 already: there the parser replaces them).

    Raises:
        Unreadable: There is a NUL character, of which every program behind makes something else.
    """
    decoder = None
    if encoding not in {"utf-8", "utf-8-sig", "ascii"}:
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    carriage = False
    read = 0
    with path.open("rb") as file:
        if encoding == "utf-8-sig":
            file.seek(len(codecs.BOM_UTF8))
        while True:
            raw = file.read(size)
            chunk = raw if decoder is None else decoder.decode(raw, final=not raw).encode("utf-8", "replace")
            if carriage:
                chunk = b"\r" + chunk
            carriage = chunk.endswith(b"\r") and bool(raw)
            if carriage:
                chunk = chunk[:-1]  # its line feed may come with the next chunk
            if b"\r" in chunk:
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if b"\x00" in chunk:
                raise Unreadable(
                    "The table holds a NUL character, "
                    f"{read + chunk.index(0) + 1} bytes from its beginning; it is damaged there, or no text."
                )
            read += len(chunk)
            if chunk:
                yield chunk
            if not raw:
                return


def without_lines(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """Drop the first physical lines of a stream of chunks."""
    for chunk in chunks:
        rest = chunk
        while lines and (end := rest.find(b"\n")) >= 0:
            rest = rest[end + 1 :]
            lines -= 1
        if not lines and rest:
            yield rest


def record_blocks(chunks: Iterable[bytes], quotechar: str | None) -> Iterator[bytes]:
    """Regroup chunks so that every block ends behind a whole record.

    A line feed ends a record if an even number of quotes stands before it, which holds for well-formed quoting
    (RFC 4180); the parser notices where it does not.
    A block never grows far beyond 16 MiB: where no record seems to end for so long, a stray quote is the likely
    reason, and the block ends at the last line feed; the parser then fails and the csv module takes over.

    Raises:
        Unreadable: There is no line feed for 32 MiB.
    """
    quote = quotechar.encode() if quotechar else b""
    held: list[bytes] = []
    held_quotes = held_bytes = 0
    for chunk in chunks:
        cut = last_record_end(chunk, quote, held_quotes % 2)
        if cut:
            yield b"".join([*held, chunk[:cut]])
            held, held_quotes, held_bytes = [], 0, 0
            chunk = chunk[cut:]  # noqa: PLW2901  the rest is what remains of this chunk
        held.append(chunk)
        held_bytes += len(chunk)
        held_quotes += chunk.count(quote) if quote else 0
        if held_bytes > LONGEST_RECORD:
            joined = b"".join(held)
            end = joined.rfind(b"\n") + 1
            if end:
                yield joined[:end]
                held, held_quotes, held_bytes = [joined[end:]], 0, len(joined) - end
            elif held_bytes > LONGEST_LINE:
                begin = joined[:40].decode("utf-8", "replace")
                raise Unreadable(
                    f"The row that begins {begin!r} is longer than 32 MiB, so this is no table of rows."
                )
    if rest := b"".join(held):
        yield rest


def blocks_of(path: Path, dialect: Dialect, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield blocks of whole records below the preamble, header rows included."""
    chunks = without_lines(utf8_chunks(path, dialect.encoding, size), dialect.preamble_lines)
    return record_blocks(chunks, dialect.quotechar)


def last_record_end(chunk: bytes, quote: bytes, open_before: int) -> int:
    """Give the position behind the last line feed outside quotes, or 0.

    Args:
        chunk: UTF-8, or another encoding of ASCII's line feed and quote.
        quote: The quote character; empty for none.
        open_before: 1 where the chunk starts inside quotes, else 0.
    """
    end = chunk.rfind(b"\n")
    if not quote or end < 0:
        return end + 1
    odd = (open_before + chunk.count(quote, 0, end)) % 2
    while odd and end >= 0:
        opening = chunk.rfind(quote, 0, end)
        earlier = chunk.rfind(b"\n", 0, max(opening, 0))
        odd = (odd + chunk.count(quote, max(earlier, 0), end)) % 2
        end = earlier
    return end + 1
