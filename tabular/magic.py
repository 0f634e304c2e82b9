"""Says what a file is by its first bytes, never by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES = 1024


@dataclass(frozen=True)
class Kind:
    """A kind of file: its short name, and the words for it behind 'is'."""

    name: str
    words: str


# In this order; where bytes follow at an offset, they tell apart what begins alike
_MAGIC: tuple[tuple[bytes, Kind], ...] = tuple(
    (magic, Kind(name, words))
    for magic, name, words in (
        (b"\x89PNG\r\n\x1a\n", "png", "a PNG image"),
        (b"\xff\xd8\xff", "jpeg", "a JPEG image"),
        (b"GIF87a", "gif", "a GIF image"),
        (b"GIF89a", "gif", "a GIF image"),
        (b"II*\x00", "tiff", "a TIFF image"),
        (b"MM\x00*", "tiff", "a TIFF image"),
        (b"%PDF", "pdf", "a PDF document"),
        (b"%!PS", "postscript", "a PostScript document"),
        (b"PK\x03\x04", "zip", "a zip archive or an Office document"),
        (b"PK\x05\x06", "zip", "an empty zip archive"),
        (b"\xd0\xcf\x11\xe0", "ole", "an old Office document"),
        (b"\x1f\x8b", "gzip", "gzip-compressed"),
        (b"7z\xbc\xaf", "7z", "a 7-Zip archive"),
        (b"Rar!", "rar", "a RAR archive"),
        (b"BZh", "bzip2", "bzip2-compressed"),
        (b"\xfd7zXZ", "xz", "xz-compressed"),
        (b"\x28\xb5\x2f\xfd", "zstd", "Zstandard-compressed"),
        (b"PAR1", "parquet", "a Parquet file"),
        (b"SQLite format 3", "sqlite", "an SQLite database"),
        (b"\x7fELF", "elf", "a program"),
        (b"MZ\x90", "exe", "a program"),
        (b"\xca\xfe\xba\xbe", "class", "a program"),
    )
)
ARCHIVE_KINDS = frozenset({"zip", "gzip", "7z", "rar", "bzip2", "xz", "zstd", "tar", "office"})
_OFFICE = (
    (b"xl/", "an Excel workbook"),
    (b"word/", "a Word document"),
    (b"ppt/", "a PowerPoint document"),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file"),
)
_OFFICE_FIRST = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"mimetypeapplication/vnd.oasis")
_ZIP_NAME = 30  # offset of the first entry's name
_TAR = (257, b"ustar")
_RIFF, _WEBP = b"RIFF", b"WEBP"
_BOX = re.compile(rb"^....ftyp(avif|avis|heic|heix|mif1|msf1|isom|mp4[12]|qt  )", re.DOTALL)
_BOXES = {b"avif": ("avif", "an AVIF image"), b"avis": ("avif", "an AVIF image")}
_BEFORE = rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,200}?\?>\s*)?(?:<!--.{0,400}?-->\s*)?"
_MARKUP = tuple(
    (re.compile(_BEFORE + mark, re.IGNORECASE | re.DOTALL), Kind(name, words))
    for mark, name, words in (
        (rb"<(?:!doctype\s+html|html|head|body|script)\b", "html", "an HTML page"),
        (rb"(?:<!doctype\s+svg.{0,300}?>\s*)?<svg\b", "svg", "an SVG drawing"),
        (rb"(?<=\?>)", "xml", "an XML document"),
    )
)


def what_is(head: bytes) -> Kind | None:
    """Tell what a file is; None for what no mark tells, as of most text.

    Args:
        head: Its first bytes; 1,024 are enough.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return _office(head) or kind if kind.name == "zip" else kind
    return _by_structure(head) or next((kind for pattern, kind in _MARKUP if pattern.match(head)), None)


def _by_structure(head: bytes) -> Kind | None:
    if head.startswith(_RIFF) and head[8:12] == _WEBP:
        return Kind("webp", "a WebP image")
    if head[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]:
        return Kind("tar", "a tar archive")
    if box := _BOX.match(head):
        return Kind(*_BOXES.get(box[1], ("heif", "a HEIF image or a film")))
    if head.startswith(b"BM") and head[6:10] == bytes(4):  # its reserved bytes; a text may begin with BM
        return Kind("bmp", "a BMP image")
    return None


def _office(head: bytes) -> Kind | None:
    """Tell an Office document, which is a zip as well, by the name of its first entry and those in sight."""
    if not head[_ZIP_NAME:].startswith(_OFFICE_FIRST):
        return None
    for mark, words in _OFFICE:
        if mark in head:
            return Kind("office", words)
    return Kind("office", "an Office document")
