"""Files that are not what they are called, images that are bombs, tables that are none."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

from PIL import Image

from services.api.preflight import why_undecodable
from support.hostile.zips import office, zipped
from tabular.errors import Unreadable
from tabular.imagelimits import ImageLimits
from tabular.pictures import Undecodable
from tabular.profile import profile_table
from trainer.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMITS = ImageLimits(pixels=1_000_000, file_bytes=200_000)


def picture(kind: str, side: int = 400, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    noise = Image.effect_noise((side, side), 60).convert(mode)
    noise.save(out, kind)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def looked_at(raw: bytes) -> Callable[[Path], str]:
    """What the checks before a job say of an image; the trainer must not be able to decode it either, nor stumble."""

    def answer(_folder: Path) -> str:
        why = why_undecodable(raw, LIMITS)
        try:
            decode(raw, 32, LIMITS)
        except Undecodable:
            assert why
        else:
            assert not why
        return f"`{why}`; counts as missing" if why else "decoded"

    return answer


def read(raw: bytes, *, columns: int = 10_000) -> Callable[[Path], str]:
    def answer(folder: Path) -> str:
        path = folder / "table.csv"
        path.write_bytes(raw)
        try:
            schema = profile_table(path, max_rows=2000, max_columns=columns)
        except Unreadable as error:
            return str(error)
        told = [finding.message for finding in schema.findings if finding.level == "warning"]
        return f"read: {schema.rows} rows, {len(schema.columns)} columns. {' '.join(told)}".strip()

    return answer


PAGE = b"<!DOCTYPE html><html><body>404 not found</body></html>"
IMAGES = {
    "an HTML page named .jpg": looked_at(PAGE),
    "an SVG with a script named .png": looked_at(
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    ),
    "a program named .png": looked_at(b"\x7fELF" + bytes(200)),
    "a zip named .jpg": looked_at(zipped(("a.png", b"x"))),
    "PostScript named .png (its reader would start a program)": looked_at(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    ),
    "a Photoshop file named .png": looked_at(b"8BPS\x00\x01" + bytes(60)),
    "a film named .jpg": looked_at(b"\0\0\0\x18ftypisom" + bytes(60)),
    "text named .png": looked_at(b"not a picture"),
    "an empty file": looked_at(b""),
    "30,000 x 30,000 pixels in 1 kB": looked_at(png_header(30_000, 30_000)),
    "10,000 x 10,000 pixels (1,000,000 allowed here)": looked_at(png_header(10_000, 10_000)),
    "a file of 200 kB and more (allowed here)": looked_at(picture("BMP", 300)),
    "a PNG that was cut": looked_at(picture("PNG", 200)[:20_000]),
    "a JPEG that was cut": looked_at(picture("JPEG")[:9_000]),
    "a GIF that was cut": looked_at(picture("GIF", 200, "L")[:9_000]),
    "a WebP that was cut": looked_at(picture("WEBP")[:9_000]),
    "a TIFF that was cut": looked_at(picture("TIFF", 200)[:9_000]),
    "a PNG whose header only is there": looked_at(picture("PNG", 50)[:33]),
    "a sound picture": looked_at(picture("PNG", 50)),
}
CSV = b"a,b\n1,x\n2,y\n"
TABLES = {
    "a PNG named .csv": read(picture("PNG", 20)),
    "a zip named .csv": read(zipped(("t.csv", CSV))),
    "a workbook named .csv": read(office()),
    "a gzip file named .csv": read(b"\x1f\x8b\x08" + bytes(99)),
    "a PDF named .csv": read(b"%PDF-1.7\n" + bytes(99)),
    "an HTML page named .csv": read(PAGE),
    "a Parquet file named .csv": read(b"PAR1" + bytes(99)),
    "bytes at random": read(bytes(range(256)) * 40),
    "an empty file": read(b""),
    "only blanks": read(b"  \n\n \n"),
    "a NUL in a cell": read(b"a,b\n1,x\0y\n" * 50),
    "a NUL after half a megabyte": read(b"a,b\n" + b"1,xy\n" * 100_000 + b"2,x\0y\n"),
    "a cell of 50 MB": read(b'a,b\n1,"' + b"x" * (50 << 20) + b'"\n2,y\n'),
    "a quote that is never closed": read(b'a,b\n1,x\n2,"y\n' + b"3,z\n" * 100_000),
    "rows of other widths": read(b"a,b,c\n" + b"1,2\n1,2,3,4,5\n1,2,3\n" * 100),
    "one name for several columns": read(b"a,a,a,b\n" + b"1,2,3,x\n4,5,6,y\n" * 10),
    "20,000 columns": read(
        (",".join(f"c{n}" for n in range(20_000)) + "\n" + ",".join("1" * 20_000) + "\n").encode()
    ),
    "20,000 columns of one name": read(
        (",".join("c" * 20_000) + "\n" + ",".join("1" * 20_000) + "\n").encode()
    ),
}
