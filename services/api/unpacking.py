"""Unpacks a zip of a stranger's: every limit is counted while reading, and whatever is refused is named.

What a zip says of itself is believed nowhere but where it makes an entry smaller. Refused are links and devices, names that lead
out of the folder or differ only in case, entries that overlap (Fifield, "A better zip bomb", USENIX WOOT 2019), archives inside the
archive, methods of compression whose decoder cannot be told to stop, and more entries, bytes, depth or compression than the
settings allow.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import Invalid
from services.api.names import safe_name, shown
from tabular.magic import ARCHIVE_KINDS, HEAD_BYTES, what_is

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from services.api.settings import ApiSettings

_CHUNK = 1 << 20
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")
_METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
}  # those of bzip2 and LZMA give any amount out for one read
_ENCRYPTED = 0x1
_ENTRY = struct.Struct(
    "<4s24x3H12x"
)  # of the directory: signature, and the lengths of name, extra fields and comment
_ENTRY_SIGNATURE = b"PK\x01\x02"
_LOCAL_HEADER = 30  # bytes before an entry's name
# zipfile holds the directory in memory, some three times as large. 200,000 names of 100 bytes are 30 MB
_DIRECTORY_BYTES = 96 << 20
_SMALL = 1024  # bytes from which a ratio says something


@dataclass(frozen=True)
class Limits:
    """How much one upload may hold.

    Attributes:
        files: Files, those of zips included.
        unzipped_bytes: Bytes that its zips may unpack to, all together.
        zip_ratio: Times its size that an entry may unpack to.
        folders: Folders that a name may lie below.
        free_bytes: Bytes of the disk that stay free.
    """

    files: int
    unzipped_bytes: int
    zip_ratio: int
    folders: int = 32
    free_bytes: int = 0

    @classmethod
    def of(cls, settings: ApiSettings) -> Limits:
        """Take them from the environment."""
        return cls(
            files=settings.max_files,
            unzipped_bytes=settings.max_unzipped_bytes,
            zip_ratio=settings.max_zip_ratio,
            folders=settings.max_upload_folders,
            free_bytes=settings.min_free_bytes,
        )


@dataclass
class Taken:
    """The files of an upload so far, by their relative paths."""

    sizes: dict[str, int] = field(default_factory=dict)
    unzipped: int = 0
    _spellings: dict[str, str] = field(default_factory=dict)

    def add(self, name: str) -> None:
        """Let a name be used.

        Raises:
            Invalid: It is used already, or differs only in case or in how letters are composed: a file system may take the two for one.
        """
        other = self._spellings.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if name in self.sizes:
            raise Invalid(f"The file {shown(name)} is in the upload twice.")
        if other != name:
            raise Invalid(
                f"The files {shown(other)} and {shown(name)} differ only in case or in how letters are composed; rename one of them."
            )
        self.sizes[name] = 0


def prepare(root: Path, name: str, taken: Taken) -> None:
    """Let a name be used, and make its folder.

    Raises:
        Invalid: It is used already, or needs a folder where there is a file.
    """
    taken.add(name)
    try:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise Invalid(f"{shown(name)} needs a folder where the upload has a file of the same name.") from None


def unpack(path: Path, filename: str, root: Path, limits: Limits, taken: Taken) -> None:
    """Unpack a zip beside the files there are.

    Args:
        path: The zip.
        filename: As its sender calls it.
        root: Where its files go; half of them may lie there after an error.
        limits: What is allowed.
        taken: The files there are; gets those of the zip.

    Raises:
        Invalid: It is no zip, or something in it is refused; the message names the entry.
        OSError: The disk is full; what was unpacked is removed again.
    """
    made: list[Path] = []
    try:
        with path.open("rb") as file:
            _must_be_zip(file, filename)
            # folders, and what macOS adds to every file, are no files of the upload
            directory_at = _count_entries(file, filename, most=2 * limits.files + 1000)
            with _explained(filename), zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                _must_not_overlap(entries, filename, directory_at)
                for entry in entries:
                    _check(entry, filename)
                wanted = [entry for entry in entries if not entry.is_dir() and not _junk(entry.filename)]
                room = limits.files - len(taken.sizes)
                if len(wanted) > room:
                    raise Invalid(
                        f"{shown(filename)} has {len(wanted)} entries; an upload may hold {limits.files} files (MAX_FILES), "
                        f"and {shown(wanted[room].filename)} is one too many."
                    )
                for entry in wanted:
                    name = safe_name(entry.filename, folders=limits.folders, of=filename)
                    prepare(root, name, taken)
                    made.append(root / name)
                    with _explained(filename, entry.filename):
                        taken.sizes[name] = _copy(archive, entry, root / name, filename, limits, taken)
    except OSError:  # a full disk: half a zip would fill it until the next try
        for half in made:
            half.unlink(missing_ok=True)
        raise


def _must_be_zip(file: BinaryIO, filename: str) -> None:
    kind = what_is(file.read(HEAD_BYTES))
    if kind is not None and kind.name != "zip":
        raise Invalid(f"{shown(filename)} is {kind.words}, not a zip.")


class _Directory(NamedTuple):
    at: int
    size: int


def _directory(file: BinaryIO, filename: str) -> _Directory:
    """Find the directory as zipfile will, so that both look at the same."""
    with _explained(filename):
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined] # noqa: SLF001 - a second reader could see another directory
        if end is None:
            raise zipfile.BadZipFile("File is not a zip file")
        size, location = end[zipfile._ECD_SIZE], end[zipfile._ECD_LOCATION]  # type: ignore[attr-defined] # noqa: SLF001
        if end[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:  # type: ignore[attr-defined] # noqa: SLF001
            location -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
    return _Directory(location - size, size)


def _count_entries(file: BinaryIO, filename: str, *, most: int) -> int:
    """Count the entries of the directory, a header at a time, and give where it begins: zipfile would read it whole."""
    at, size = _directory(file, filename)
    if at < 0 or size > _DIRECTORY_BYTES:
        raise Invalid(
            f"{shown(filename)} has a directory of {size} bytes; at most {_DIRECTORY_BYTES} are read."
        )
    file.seek(at)
    left, count = size, 0
    while left >= _ENTRY.size:
        signature, *lengths = _ENTRY.unpack(file.read(_ENTRY.size))
        if signature != _ENTRY_SIGNATURE:
            raise Invalid(
                f"{shown(filename)} cannot be unpacked: its directory is damaged behind entry {count}."
            )
        name = file.read(lengths[0]).decode("utf-8", "replace")
        count += 1
        if count > most:
            raise Invalid(
                f"{shown(filename)} has more than {most} entries, folders included (twice MAX_FILES); {shown(name)} is one too many."
            )
        file.seek(lengths[1] + lengths[2], os.SEEK_CUR)
        left -= _ENTRY.size + sum(lengths)
    return at


def _must_not_overlap(entries: list[zipfile.ZipInfo], filename: str, directory_at: int) -> None:
    """See that no byte of the zip belongs to two entries; then none of them unpacks what another has paid for."""
    end, before = 0, ""
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise Invalid(
                f"The entry {shown(entry.filename)} of {shown(filename)} overlaps {shown(before)}: this is how zip bombs are made."
            )
        end = entry.header_offset + _LOCAL_HEADER + entry.compress_size
        before = entry.filename
    if end > directory_at:
        raise Invalid(
            f"The entry {shown(before)} of {shown(filename)} overlaps the directory: this is how zip bombs are made."
        )


def _check(entry: zipfile.ZipInfo, filename: str) -> None:
    what = f"The entry {shown(entry.orig_filename)} of {shown(filename)}"
    if "\0" in entry.orig_filename:  # zipfile cuts the name there
        raise Invalid(f"{what} has a NUL character in its name.")
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise Invalid(f"{what} is a symbolic link; only plain files are taken.")
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Invalid(f"{what} is a device or a pipe; only plain files are taken.")
    if entry.flag_bits & _ENCRYPTED:
        raise Invalid(f"{what} is encrypted; zip the files without a password.")
    if entry.compress_type not in _METHODS:
        raise Invalid(
            f"{what} is compressed by method {entry.compress_type}; zip the files with Deflate, the usual one."
        )
    if entry.is_dir():
        safe_name(entry.filename, of=filename)


def _junk(name: str) -> bool:
    return name.startswith(_JUNK[0]) or name.rpartition("/")[2] in _JUNK


def _copy(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    target: Path,
    filename: str,
    limits: Limits,
    taken: Taken,
) -> int:
    ratio_cap = max(entry.compress_size, _SMALL) * limits.zip_ratio
    what = f"The entry {shown(entry.filename)} of {shown(filename)}"
    written = 0
    with archive.open(entry) as source, target.open("wb") as sink:
        read: Callable[[], bytes] = lambda: source.read(_CHUNK)  # noqa: E731 - iter() wants a callable
        for chunk in iter(read, b""):
            if not written and (kind := what_is(chunk)) is not None and kind.name in ARCHIVE_KINDS:
                raise Invalid(f"{what} is {kind.words}; archives inside an archive are not unpacked.")
            written += len(chunk)
            taken.unzipped += len(chunk)
            if written > ratio_cap:
                raise Invalid(
                    f"{what} unpacks to more than {ratio_cap} bytes, {limits.zip_ratio} times its size (MAX_ZIP_RATIO)."
                )
            if taken.unzipped > limits.unzipped_bytes:
                raise Invalid(
                    f"{what} unpacks to more than is left of the {limits.unzipped_bytes} bytes that the zips of an upload "
                    "may unpack to (MAX_UNZIPPED_BYTES)."
                )
            if limits.free_bytes and shutil.disk_usage(target.parent).free < limits.free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            sink.write(chunk)
    return written


@contextmanager
def _explained(filename: str, entry: str | None = None) -> Iterator[None]:
    """Name the zip, and the entry, where zipfile gives up."""
    what = shown(filename) if entry is None else f"The entry {shown(entry)} of {shown(filename)}"
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
    ) as error:
        raise Invalid(f"{what} cannot be unpacked: {error}.") from None
