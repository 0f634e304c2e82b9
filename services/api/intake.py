"""Streams an upload into the spool: multipart parts to files as they arrive, zips unpacked entry by entry, limits counted."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from runtime.errors import Invalid
from services.api.names import plain_name, safe_name
from services.api.unpacking import Taken, prepare, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.api.manifest import Manifest
    from services.api.unpacking import Limits

_CHUNK = 1024 * 1024
# The parser counts what it has not yet handed out, too: up to a chunk left over and a chunk just read
_BUFFER = 4 * _CHUNK
TABLES = (".csv", ".tsv", ".tab")


@dataclass(frozen=True)
class Upload:
    """An upload that lies complete in the spool, or in the object store with the first rows of its table at hand."""

    folder: Path
    table_name: str
    table_bytes: int
    files: list[str]
    file_bytes: int
    name: str | None
    head: Path | None = None

    @property
    def table(self) -> Path:
        """The CSV, or as much of it as is here."""
        return self.head or self.folder / "table.csv"

    @property
    def whole(self) -> bool:
        """Whether that is all of it."""
        return self.head is None or self.head.stat().st_size == self.table_bytes


class _Part:
    """Where one part's bytes go. Its file is open only while they arrive: an upload may hold thousands of parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def seek(self, _position: int) -> None:
        # The parser rewinds a part when it has it whole, and never reads it
        self._file.close()

    def close(self) -> None:
        self._file.close()


def receive(stream: IO[bytes], boundary: bytes, length: int | None, folder: Path, limits: Limits) -> Upload:
    """Read a multipart body into a spool folder. Memory stays at some megabytes, whatever the body's size.

    Args:
        stream: The request's body.
        boundary: Of its parts.
        length: Content-Length, where given.
        folder: A new folder of the spool; removed again when the upload is refused.
        limits: What is allowed.

    Raises:
        Invalid: A part is missing, unknown, named badly, or over a limit; the message names it.
    """
    incoming = folder / "incoming"
    incoming.mkdir(parents=True)
    try:
        parts: list[_Part] = []

        def open_part(
            total_content_length: int | None,  # noqa: ARG001 - the parser's signature
            content_type: str | None,  # noqa: ARG001
            filename: str | None,  # noqa: ARG001
            content_length: int | None = None,  # noqa: ARG001
        ) -> IO[bytes]:
            part = _Part(incoming / str(len(parts)))
            parts.append(part)
            return cast("IO[bytes]", part)

        parser = MultiPartParser(
            stream_factory=open_part,
            max_form_memory_size=_BUFFER,
            max_form_parts=limits.files + 8,
            buffer_size=_CHUNK,
        )
        try:
            form, uploaded = parser.parse(stream, boundary, length)
        except ValueError as error:
            raise Invalid(f"The body is not well-formed multipart/form-data: {error}") from None
        except RequestEntityTooLarge as error:
            raise RequestEntityTooLarge(
                description=f"The upload has more than {limits.files} files, or more bytes than allowed."
            ) from error
        received = [
            (field, file.filename or "", cast("_Part", file.stream).path)
            for field, file in uploaded.items(multi=True)
        ]
        name = plain_name(form.get("name"), "The name")
        return _arrange(received, folder, limits, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for part in parts:
            with suppress(OSError):  # of a full disk, which was told already
                part.close()
        shutil.rmtree(incoming, ignore_errors=True)


def _arrange(received: list[tuple[str, str, Path]], folder: Path, limits: Limits, name: str | None) -> Upload:
    """Put received parts where they belong: one table.csv, everything else under files/."""
    unknown = sorted({field for field, _, _ in received} - {"file", "images", "archive"})
    if unknown:
        raise Invalid(
            f"Unknown file field {unknown[0]!r}; allowed are 'file' (the CSV), 'images' and 'archive' (a zip)."
        )
    root = folder / "files"
    root.mkdir()
    taken = Taken()
    for field, filename, path in received:
        if field == "images" and filename:
            inside = safe_name(filename, folders=limits.folders)
            prepare(root, inside, taken)
            taken.sizes[inside] = path.stat().st_size
            path.rename(root / inside)
        elif field == "archive" and filename:
            unpack(path, filename, root, limits, taken)
    tables = [(filename, path) for field, filename, path in received if field == "file"]
    if len(tables) > 1:
        raise Invalid(f"There are {len(tables)} parts named 'file'; an upload has exactly one CSV.")
    if tables:
        safe_name(base_name(tables[0][0]), folders=limits.folders)
        tables[0][1].rename(folder / "table.csv")
    return _whole(folder, tables[0][0] or "table.csv" if tables else None, taken.sizes, name)


def assemble(folder: Path, manifest: Manifest, limits: Limits, name: str | None) -> Upload:
    """Make an upload of files that came in chunks and lie where their manifest says. May be repeated after a crash.

    Args:
        folder: Of the spool.
        manifest: What lies in it.
        limits: What is allowed.
        name: Of the data set.

    Raises:
        Invalid: A zip cannot be unpacked, is over a limit, or there is no one table.
    """
    (folder / "files").mkdir(exist_ok=True)
    table_name: str | None = None
    taken = Taken()
    for number, file in enumerate(manifest.files):
        if not file.size:  # no chunk brought it
            place = manifest.place(folder, number)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        if file.field == "file":
            table_name = file.name
        elif file.field == "images":
            taken.add(file.name)
            taken.sizes[file.name] = file.size
    for number, file in enumerate(manifest.files):
        if file.field == "archive":
            unpack(manifest.place(folder, number), file.name, folder / "files", limits, taken)
    return _whole(folder, table_name, taken.sizes, name)


def _whole(folder: Path, table_name: str | None, sizes: dict[str, int], name: str | None) -> Upload:
    """Take the table out of the files where it did not come by itself, and sum up."""
    if table_name is None:
        table_name = one_table(file for file in sizes if file.lower().endswith(TABLES))
        (folder / "files" / table_name).rename(folder / "table.csv")
        del sizes[table_name]
    return Upload(
        folder=folder,
        table_name=base_name(table_name),
        table_bytes=(folder / "table.csv").stat().st_size,
        files=sorted(sizes),
        file_bytes=sum(sizes.values()),
        name=name,
    )


def one_table(found: Iterable[str]) -> str:
    """Give the one table among files, for an upload without a part 'file'.

    Raises:
        Invalid: There is none, or there are several.
    """
    tables = sorted(found)
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise Invalid(
            "There is no CSV: send it as the part 'file', or put exactly one .csv or .tsv into the zip."
        )
    raise Invalid(
        f"The zip holds {len(tables)} tables ({', '.join(tables[:3])}, …); send the one to use as the part 'file'."
    )


def base_name(name: str) -> str:
    """Give a file's name without its folders."""
    return PurePosixPath(name.replace("\\", "/")).name[:300] or "table.csv"
