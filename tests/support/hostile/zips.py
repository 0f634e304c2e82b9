"""Zips and names made by somebody who means harm."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from runtime.errors import Invalid
from services.api.names import safe_name
from services.api.unpacking import Limits, Taken, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMITS = Limits(files=100, unzipped_bytes=1_000_000, zip_ratio=50, folders=8)


def zipped(*entries: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it is: the constructor cuts at NUL
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, data)
    return out.getvalue()


def local(name: bytes, data: bytes, size: int, crc: int, method: int = 8) -> bytes:
    return (
        struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 0, crc, len(data), size, len(name), 0)
        + name
        + data
    )


def central(name: bytes, compressed: int, size: int, crc: int, at: int, method: int = 8) -> bytes:
    fields = (b"PK\1\2", 20, 20, 0, method, 0, 0, crc, compressed, size, len(name), 0, 0, 0, 0, 0, at)
    return struct.pack("<4s6H3I5H2I", *fields) + name


def end(count: int, size: int, at: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), size, at, 0)


def overlapping() -> bytes:
    """Two names for one kernel, Fifield's simplest bomb."""
    raw = bytes(1000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush()
    crc = zlib.crc32(raw)
    body = local(b"a.png", packed, len(raw), crc)
    directory = b"".join(central(name, len(packed), len(raw), crc, 0) for name in (b"a.png", b"b.png"))
    return body + directory + end(2, len(directory), len(body))


def quoted() -> bytes:
    """An entry whose data holds the header of the next, as Fifield's better bomb quotes them."""
    inner = local(b"b.png", b"x" * 10, 10, zlib.crc32(b"x" * 10), 0)
    outer = local(b"a.png", inner, len(inner), zlib.crc32(inner), 0)
    directory = central(b"a.png", len(inner), len(inner), zlib.crc32(inner), 0, 0) + central(
        b"b.png", 10, 10, zlib.crc32(b"x" * 10), 30 + 5, 0
    )
    return outer + directory + end(2, len(directory), len(outer))


def into_directory() -> bytes:
    body = local(b"a.png", b"", 0, 0, 0)
    directory = central(b"a.png", 5000, 5000, 0, 0, 0)
    return body + directory + end(1, len(directory), len(body))


def million() -> bytes:
    entry = central(b"a.png", 0, 0, 0, 0, 0)
    return entry * 1_000_000 + end(1_000_000, len(entry) * 1_000_000, 0)


def lying() -> bytes:
    """An entry that says of itself that it unpacks to 10 bytes; it does to a million."""
    raw = bytes(1_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(raw) + packer.flush()
    body = local(b"a.png", packed, 10, zlib.crc32(raw))
    directory = central(b"a.png", len(packed), 10, zlib.crc32(raw), 0)
    return body + directory + end(1, len(directory), len(body))


def encrypted() -> bytes:
    raw = bytearray(zipped(("a.png", b"x")))
    raw[6] |= 1
    raw[raw.index(b"PK\1\2") + 8] |= 1
    return bytes(raw)


def damaged() -> bytes:
    raw = bytearray(zipped(("a.png", b"some bytes"), method=zipfile.ZIP_STORED))
    raw[raw.index(b"some bytes")] ^= 1
    return bytes(raw)


def office() -> bytes:
    return zipped(
        ("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"), method=zipfile.ZIP_STORED
    )


def taken_apart(*archives: bytes, limits: Limits = LIMITS) -> Callable[[Path], str]:
    def answer(folder: Path) -> str:
        root, taken = folder / "files", Taken()
        root.mkdir()
        try:
            for number, raw in enumerate(archives):
                (folder / f"{number}.zip").write_bytes(raw)
                unpack(folder / f"{number}.zip", "photos.zip", root, limits, taken)
        except Invalid as error:
            assert {path.parent for path in root.rglob("*")} <= {
                root,
                *(p for p in root.rglob("*") if p.is_dir()),
            }
            return str(error)
        return "taken as " + ", ".join(sorted(taken.sizes))

    return answer


def named(name: str) -> Callable[[Path], str]:
    def answer(_folder: Path) -> str:
        try:
            return f"taken as {safe_name(name, folders=8)}"
        except Invalid as error:
            return str(error)

    return answer


NAMES = {
    "`../../etc/passwd`": named("../../etc/passwd"),
    "`a/../b.png`": named("a/../b.png"),
    "`/etc/passwd`": named("/etc/passwd"),
    "`..\\..\\a.png`": named("..\\..\\a.png"),
    "`C:\\a.png`": named("C:\\a.png"),
    "`C:a.png`": named("C:a.png"),
    "`\\\\server\\share\\a.png`": named("\\\\server\\share\\a.png"),
    "a NUL": named("a.png\0.exe"),
    "a line feed": named("a\nb.png"),
    "a terminal's escape": named("\x1b[31ma.png"),
    "a C1 control character": named("a\x9b31m.png"),
    "text turned around (U+202E)": named("photo_\u202egnp.exe"),
    "half a surrogate pair": named("a\ud800.png"),
    "`.`": named("."),
    "`..`": named(".."),
    "nothing": named(""),
    "300 characters": named("x" * 300 + ".png"),
    "600 bytes over folders": named("/".join(["x" * 100] * 6)),
    "nine folders deep (8 allowed here)": named("a/" * 9 + "b.png"),
    "the platform's own unfinished files": named(".part-1"),
    "`images\\1\\a.png`": named("images\\1\\a.png"),
    "`./a//b.png`": named("./a//b.png"),
}
PNG = b"\x89PNG\r\n\x1a\n"
ZIPS = {
    "an entry `../../a.png` (zip slip)": taken_apart(zipped(("../../a.png", b"x"))),
    "an entry `/etc/cron.d/x`": taken_apart(zipped(("/etc/cron.d/x", b"x"))),
    "an entry `..\\a.png`": taken_apart(zipped(("..\\a.png", b"x"))),
    "a folder `../x/`": taken_apart(zipped(("../x/", b""))),
    "a NUL in an entry's name": taken_apart(zipped(("a.png\0.exe", b"x"))),
    "a symbolic link": taken_apart(zipped(("link.png", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777)),
    "a named pipe": taken_apart(zipped(("pipe.png", b""), mode=stat.S_IFIFO | 0o666)),
    "a device": taken_apart(zipped(("disk.png", b""), mode=stat.S_IFBLK | 0o666)),
    "one name twice": taken_apart(zipped(("a.png", b"x")), zipped(("a.png", b"y"))),
    "names that differ in case": taken_apart(zipped(("A.png", b"x"), ("a.png", b"y"))),
    "names that differ in how é is written": taken_apart(zipped(("\u00e9.png", b"x"), ("e\u0301.png", b"y"))),
    "a file where a folder is needed": taken_apart(zipped(("a", b"x"), ("a/b.png", b"y"))),
    "overlapping entries (Fifield)": taken_apart(overlapping()),
    "an entry quoted inside another": taken_apart(quoted()),
    "an entry that reaches into the directory": taken_apart(into_directory()),
    "a zip in the zip": taken_apart(zipped(("more.png", zipped(("a.png", b"x"))))),
    "a gzip file named .csv in the zip": taken_apart(zipped(("t.csv", b"\x1f\x8b\x08" + bytes(50)))),
    "a bomb (1 MB of zeros in 1 kB)": taken_apart(zipped(("zeros.png", bytes(900_000)))),
    "a size that lies": taken_apart(lying()),
    "many zips that together unpack to too much": taken_apart(
        *(zipped((f"{n}.png", b"x" * 400_000), method=zipfile.ZIP_STORED) for n in range(3))
    ),
    "more files than allowed": taken_apart(zipped(*((f"{n:03}.png", b"x") for n in range(101)))),
    "a million entries": taken_apart(million()),
    "an encrypted entry": taken_apart(encrypted()),
    "an entry packed by LZMA": taken_apart(zipped(("a.png", bytes(99)), method=zipfile.ZIP_LZMA)),
    "an entry packed by bzip2": taken_apart(zipped(("a.png", bytes(99)), method=zipfile.ZIP_BZIP2)),
    "a damaged entry": taken_apart(damaged()),
    "a zip that was cut": taken_apart(zipped(("a.png", b"x" * 99))[:-30]),
    "a PNG named .zip": taken_apart(PNG + bytes(99)),
    "a tar named .zip": taken_apart(bytes(257) + b"ustar" + bytes(300)),
    "a workbook named .zip": taken_apart(office()),
    "`__MACOSX/` and `.DS_Store` beside a picture": taken_apart(
        zipped(("__MACOSX/._a.png", b"x"), (".DS_Store", b"x"), ("a.png", PNG))
    ),
}
