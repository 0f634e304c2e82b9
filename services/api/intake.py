"""Streams an upload into the spool: multipart parts to files as they arrive, zips unpacked entry by entry, limits counted."""

from __future__ import annotations

import shutil
import stat
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from runtime.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.api.manifest import Manifest

_CHUNK = 1024 * 1024
# The parser counts what it has not yet handed out, too: up to a chunk left over and a chunk just read
_BUFFER = 4 * _CHUNK
_MAX_NAME = 500
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")
TABLES = (".csv", ".tsv", ".tab")


@dataclass(frozen=True)
class Limits:
    """How much one upload may hold."""

    files: int
    unzipped_bytes: int
    zip_ratio: int


@dataclass(frozen=True)
class Upload:
    """An upload that lies complete in the spool."""

    folder: Path
    table_name: str
    table_bytes: int
    files: list[str]
    file_bytes: int
    name: str | None

    @property
    def table(self) -> Path:
        """The CSV."""
        return self.folder / "table.csv"


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
        name = (form.get("name") or "").strip()[:300] or None
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
    (folder / "files").mkdir()
    sizes: dict[str, int] = {}
    for field, filename, path in received:
        if field == "images" and filename:
            name_inside = _place(path, filename, folder / "files", sizes)
            sizes[name_inside] = (folder / "files" / name_inside).stat().st_size
        elif field == "archive" and filename:
            _unpack(path, filename, folder / "files", limits, sizes)
    tables = [(filename, path) for field, filename, path in received if field == "file"]
    if len(tables) > 1:
        raise Invalid(f"There are {len(tables)} parts named 'file'; an upload has exactly one CSV.")
    if tables:
        tables[0][1].rename(folder / "table.csv")
    return _whole(folder, tables[0][0] or "table.csv" if tables else None, sizes, name)


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
    sizes: dict[str, int] = {}
    for number, file in enumerate(manifest.files):
        if not file.size:  # no chunk brought it
            place = manifest.place(folder, number)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        if file.field == "file":
            table_name = file.name
        elif file.field == "images":
            sizes[file.name] = file.size
    for number, file in enumerate(manifest.files):
        if file.field == "archive":
            _unpack(manifest.place(folder, number), file.name, folder / "files", limits, sizes)
    return _whole(folder, table_name, sizes, name)


def _whole(folder: Path, table_name: str | None, sizes: dict[str, int], name: str | None) -> Upload:
    """Take the table out of the files where it did not come by itself, and sum up."""
    if table_name is None:
        table_name = one_table(file for file in sizes if file.lower().endswith(TABLES))
        (folder / "files" / table_name).rename(folder / "table.csv")
        del sizes[table_name]
    return Upload(
        folder=folder,
        table_name=PurePosixPath(table_name.replace("\\", "/")).name[:300],
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


def safe_name(name: str) -> str:
    """Turn a client's file name into a relative path that stays inside its folder.

    Raises:
        Invalid: It is absolute, climbs out by '..', is empty or too long, or holds control characters.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    shown = name if len(name) <= 80 else name[:80] + "…"  # noqa: PLR2004 - enough to recognise it
    if not parts or path.is_absolute() or ".." in parts or ":" in parts[0]:
        raise Invalid(f"The file name {shown!r} is not a relative path inside the upload.")
    if any(ord(char) < 32 or ord(char) == 127 for char in name):  # noqa: PLR2004 - ASCII control characters
        raise Invalid(f"The file name {shown!r} holds control characters.")
    if len(name.encode()) > _MAX_NAME or any(len(part.encode()) > 255 for part in parts):  # noqa: PLR2004 - file systems' own limit
        raise Invalid(
            f"The file name {shown!r} is too long; at most {_MAX_NAME} bytes, 255 for each folder or file."
        )
    return "/".join(parts)


def _place(path: Path, filename: str, root: Path, taken: dict[str, int]) -> str:
    name = safe_name(filename)
    _prepare(root, name, taken)
    path.rename(root / name)
    return name


def _prepare(root: Path, name: str, taken: dict[str, int]) -> None:
    if name in taken:
        raise Invalid(f"The file {name!r} is in the upload twice.")
    try:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise Invalid(f"{name!r} needs a folder where the upload has a file of the same name.") from None


def _unpack(path: Path, filename: str, root: Path, limits: Limits, sizes: dict[str, int]) -> None:
    """Unpack a zip beside the files there are, entry by entry, counting bytes: sizes in a zip's directory may lie."""
    made: list[Path] = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [
                entry for entry in archive.infolist() if not entry.is_dir() and not _junk(entry.filename)
            ]
            if len(sizes) + len(entries) > limits.files:
                raise Invalid(
                    f"{filename!r} has {len(entries)} entries; an upload may hold {limits.files} files."
                )
            left = limits.unzipped_bytes
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise Invalid(
                        f"The entry {entry.filename!r} of {filename!r} is a symbolic link; only plain files are taken."
                    )
                name = safe_name(entry.filename)
                _prepare(root, name, sizes)
                made.append(root / name)
                cap = min(left, max(entry.compress_size, 1024) * limits.zip_ratio)
                sizes[name] = _copy(archive, entry, root / name, cap, filename)
                left -= sizes[name]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Invalid(f"{filename!r} cannot be unpacked: {error}.") from None
    except OSError:  # a full disk: half a zip would fill it until the next try
        for half in made:
            half.unlink(missing_ok=True)
        raise


def _junk(name: str) -> bool:
    return name.startswith(_JUNK[0]) or name.rpartition("/")[2] in _JUNK


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, cap: int, filename: str) -> int:
    written = 0
    with archive.open(entry) as source, target.open("wb") as sink:
        read: Callable[[], bytes] = lambda: source.read(_CHUNK)  # noqa: E731 - iter() wants a callable
        for chunk in iter(read, b""):
            written += len(chunk)
            if written > cap:
                raise Invalid(
                    f"The entry {entry.filename!r} of {filename!r} unpacks to more than {cap} bytes, "
                    "beyond what the size of the upload or its compression ratio allows."
                )
            sink.write(chunk)
    return written
