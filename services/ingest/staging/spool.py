"""What lies in the spool folder of one data set."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.errors import Invalid
from runtime.storage.base import checked_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file of the spool.

    Attributes:
        name: Path below the spool's `files/` with forward slashes; `table.csv` for the table.
        path: Where it lies.
        size: Bytes, when it was listed.
    """

    name: str
    path: str
    size: int

    def open(self) -> FileIO:
        """The file's bytes, unbuffered.

        Raises:
            Invalid: If it is gone.
        """
        try:
            return open(self.path, "rb", buffering=0)  # noqa: PTH123 - making Paths doubles the cost of a small file
        except FileNotFoundError:
            raise Invalid(f"{self.name} vanished from the spool; upload the data set again.") from None


def table_of(spool: Path) -> SpoolFile:
    """The table of a data set.

    Raises:
        Invalid: If there is none.
    """
    path = spool / "table.csv"
    try:
        return _listed("table.csv", path, path.lstat())
    except FileNotFoundError:
        raise Invalid("The spool holds no table.csv; upload the data set again.") from None


def files_of(spool: Path) -> list[SpoolFile]:
    """The files beside the table, in the order of their names.

    Raises:
        Invalid: If one is a link or a device.
        BadKey: If one has a name that no object may have.
    """
    root = str(spool / "files")
    found = (
        _listed(entry.path[len(root) + 1 :], entry.path, entry.stat(follow_symlinks=False))
        for entry in _walk(root)
    )
    return sorted(found, key=lambda file: file.name)


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            else:
                yield entry


def _listed(name: str, path: str | Path, status: os.stat_result) -> SpoolFile:
    if not stat.S_ISREG(status.st_mode):  # a link could lead to any file of this machine
        raise Invalid(f"{name!r} is not a regular file.")
    return SpoolFile(checked_key(name), str(path), status.st_size)
