"""What an upload in chunks will hold: its files one after the other are one stream of bytes, addressed by an offset."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from runtime.errors import Invalid
from services.api.intake import TABLES, one_table
from services.api.names import is_odd, safe_name
from services.api.unpacking import Taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class File(NamedTuple):
    """A file that is to come."""

    field: Literal["file", "images", "archive"]
    name: str
    size: Annotated[int, Field(ge=0, le=2**53)]  # bytes
    modified: int | None = None  # when it was last changed, in ms; only its sender compares it


class Wish(BaseModel):
    """The body of POST /api/uploads/."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(default=None, max_length=300)
    fingerprint: str = Field(default="", max_length=128)
    direct: bool | None = None  # whether the sender can put parts where it is told
    files: list[dict[str, object]] = Field(min_length=1)


class Piece(NamedTuple):
    """A part of one file."""

    number: int
    at: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """The files of an upload in the order of their bytes."""

    files: list[File]
    ends: list[int]  # where in the stream each file ends

    @classmethod
    def of(cls, files: list[File]) -> Manifest:
        """Put files one after the other."""
        return cls(files, list(accumulate(file.size for file in files)))

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read what `write` wrote."""
        return cls.of([File(*row) for row in json.loads(path.read_bytes())])

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_text(json.dumps(self.files, ensure_ascii=False, separators=(",", ":")), "utf-8")

    @property
    def length(self) -> int:
        """Bytes of all files together."""
        return self.ends[-1]

    def start(self, number: int) -> int:
        """Say where in the stream a file begins."""
        return self.ends[number] - self.files[number].size

    def pieces(self, begin: int, end: int) -> Iterator[Piece]:
        """Give the parts of files that a part of the stream is made of, without empty ones."""
        number = bisect_right(self.ends, begin)
        while begin < end:
            size = min(end, self.ends[number]) - begin
            if size:
                yield Piece(number, begin - self.start(number), size)
            begin += size
            number += 1

    def place(self, folder: Path, number: int) -> Path:
        """Say where a file's bytes lie in the spool folder of its upload."""
        field, name, *_ = self.files[number]
        if field == "images":
            return folder / "files" / name
        return folder / "table.csv" if field == "file" else folder / "incoming" / str(number)


def declare(raw: bytes, *, most_files: int, most_bytes: int, folders: int) -> tuple[Wish, Manifest]:
    """Read what a client is about to send, and refuse now what would be refused after hours of sending.

    Args:
        raw: JSON as the OpenAPI page describes it.
        most_files: That an upload may have.
        most_bytes: That they may have together.
        folders: That a name may lie below.

    Raises:
        Invalid: It is not well-formed, a name is bad or there twice, or there is no table, or more than one.
        RequestEntityTooLarge: There are too many files or bytes.
    """
    try:
        wish = Wish.model_validate_json(raw)
        files = [_file(number, given, folders) for number, given in enumerate(wish.files)]
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(f"{'.'.join(map(str, first['loc'])) or 'The body'}: {first['msg']}") from None
    if is_odd(wish.fingerprint):
        raise Invalid("fingerprint: it holds control characters.")
    if len(files) > most_files:
        raise RequestEntityTooLarge(
            description=f"The upload has {len(files)} files; at most {most_files} are allowed (MAX_FILES)."
        )
    files = _with_table(files)
    _check_names([file.name for file in files if file.field == "images"])
    manifest = Manifest.of(files)
    if manifest.length > most_bytes:
        largest = max(files, key=lambda file: file.size)
        raise RequestEntityTooLarge(
            description=f"The upload has {manifest.length} bytes, {largest.size} of them in {largest.name!r}; "
            f"at most {most_bytes} are allowed (MAX_UPLOAD_BYTES)."
        )
    return wish, manifest


def _file(number: int, given: dict[str, object], folders: int) -> File:
    unknown = sorted(given.keys() - File._fields)
    if unknown:
        raise Invalid(f"files.{number}: unknown field {unknown[0]!r}; allowed are {', '.join(File._fields)}.")
    field, name, size, modified = (given.get(key) for key in File._fields)
    if field not in {"file", "images", "archive"}:
        raise Invalid(
            f"files.{number}: unknown field {field!r}; allowed are 'file' (the CSV), 'images' and 'archive' (a zip)."
        )
    if not isinstance(name, str):
        raise Invalid(f"files.{number}: its name is not a text.")
    if not _whole(size) or (modified is not None and not _whole(modified)):
        raise Invalid(f"The file {name[:80]!r} needs its size, and modified if given, as whole numbers.")
    return File(field, safe_name(name, folders=folders), size, modified)  # type: ignore[arg-type] # checked above


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value <= 2**53  # what JSON's readers agree upon


def _with_table(files: list[File]) -> list[File]:
    """See that there is one table: the part 'file', else the only one among the images, else one in a zip."""
    tables = [file for file in files if file.field == "file"]
    if len(tables) > 1:
        raise Invalid(f"There are {len(tables)} parts named 'file'; an upload has exactly one CSV.")
    if tables:
        return files
    loose = [file.name for file in files if file.field == "images" and file.name.lower().endswith(TABLES)]
    if not loose and any(file.field == "archive" for file in files):
        return files
    chosen = one_table(loose)
    return [file._replace(field="file") if file.name == chosen else file for file in files]


def _check_names(names: list[str]) -> None:
    taken = Taken()
    for name in names:
        taken.add(name)
    known = taken.sizes.keys()
    for name in names:
        parent = name.rpartition("/")[0]
        while parent:
            if parent in known:
                raise Invalid(f"{name!r} needs a folder where the upload has a file of the same name.")
            parent = parent.rpartition("/")[0]
