"""Uploads whose bytes go from their sender straight to the object store; the service signs addresses and counts parts.

The files, one after the other, are one object, cut in parts of one size. What a sender may put there is signed: the part's number,
its length and its CRC-32, for so many seconds. Nothing of it passes through this process, so its memory does not depend on the
upload; it reads the first megabytes of the table, for the answer at once, when all parts are there.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from contracts.stream import STREAM_NAME, Span, StreamIndex
from runtime.errors import Conflict, Invalid, NotFound
from runtime.storage import StoreRefused
from services.api import intake
from tabular.blocks import last_record_end

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runtime.storage import ObjectStore
    from runtime.storage.direct import DirectUploads, Part, SignedPart
    from services.api.manifest import Manifest
    from services.api.models import OpenUpload

_log = logging.getLogger(__name__)
SPOOL, STORE = "spool", "store"  # the ways that bytes come
HEAD_BYTES = 4 << 20  # of the table, for the answer at once
_CRC32 = re.compile(r"[A-Za-z0-9+/]{6}==", re.ASCII)


class Direct:
    """Uploads straight to a store that takes them."""

    def __init__(self, store: ObjectStore, *, from_bytes: int, link_seconds: int) -> None:
        """Take where they go.

        Args:
            store: The store.
            from_bytes: Uploads from so many bytes on go straight to it; 0: none.
            link_seconds: How long a signed address is good for.
        """
        self._store = store
        self._from_bytes = from_bytes
        self._link_seconds = link_seconds

    def takes(self, manifest: Manifest) -> bool:
        """Tell whether an upload should go straight to the store; not a zip, which is unpacked under limits first."""
        large = 0 < self._from_bytes <= manifest.length
        return (
            self._store.direct is not None
            and large
            and all(file.field != "archive" for file in manifest.files)
        )

    def begin(self, upload_id: str, manifest: Manifest) -> tuple[str | None, int | None]:
        """Begin one; gives the store's id of it, and the bytes of a part. None where it goes through the spool."""
        if not self.takes(manifest):
            return None, None
        try:
            return self._direct.begin(key_of(upload_id), manifest.length)
        except StoreRefused as error:  # the api's role may do less than this version asks for
            _log.warning("an upload goes through the spool", extra={"error": str(error)})
            return None, None

    def drop(self, upload_id: str) -> None:
        """Remove whatever the store has of an upload that became no data set."""
        self._store.delete_prefix(f"datasets/{upload_id}")

    def offset(self, upload: OpenUpload) -> int:
        """Say how many bytes are there from the beginning on without a gap.

        Raises:
            NotFound: The store has given the upload up.
        """
        return min(len(self._in_order(upload)) * (upload.part_bytes or 0), upload.length)

    def sign(self, upload: OpenUpload, number: int, crc32: str) -> SignedPart:
        """Give an address for one part.

        Args:
            upload: Whose.
            number: Which part, from 1 on.
            crc32: Of its bytes, big-endian, in base64.

        Raises:
            Conflict: The upload's bytes go another way, or it has ended.
            Invalid: There is no such part, or that is no CRC-32.
        """
        if upload.way != STORE or upload.state != "open":
            raise Conflict(
                f"This upload's bytes are sent by PATCH /api/uploads/{upload.id}/."
                if upload.way != STORE
                else f"The upload has ended ({upload.state})."
            )
        last = self._count(upload)
        if not 1 <= number <= last:
            raise Invalid(f"number: there is no part {number}; this upload has parts 1 to {last}.")
        if not _CRC32.fullmatch(crc32):
            raise Invalid("crc32: it is not the CRC-32 of the part's bytes, four bytes big-endian in base64.")
        return self._direct.sign(
            key_of(upload.id), _id(upload), number, self._size(upload, number), crc32, self._link_seconds
        )

    def finish(self, upload: OpenUpload) -> int:
        """Make one object of the parts, unless some are missing; may be repeated.

        Returns:
            How many bytes are there; less than the upload's where it goes on.

        Raises:
            NotFound: The store has given the upload up.
        """
        key = key_of(upload.id)
        try:
            parts = self._in_order(upload)
        except NotFound:
            found = self._store.head(key)  # finished before, by a process that died then
            if found is None or found.size != upload.length:
                raise
            return upload.length
        if len(parts) == self._count(upload):
            self._direct.finish(key, _id(upload), parts, upload.length)
            return upload.length
        return len(parts) * (upload.part_bytes or 0)

    def lay_out(self, upload: OpenUpload, manifest: Manifest, folder: Path) -> intake.Upload:
        """Say in the spool where the files lie, and give the upload with the first rows of its table at hand."""
        spans = {
            file.name: Span(offset=manifest.start(number), size=file.size)
            for number, file in enumerate(manifest.files)
            if file.field == "images"
        }
        number, table = next((n, file) for n, file in enumerate(manifest.files) if file.field == "file")
        index = StreamIndex(
            key=key_of(upload.id), table=Span(offset=manifest.start(number), size=table.size), files=spans
        )
        (folder / STREAM_NAME).write_text(index.model_dump_json(), "utf-8")
        head = self._store.get_bytes(index.key, index.table.offset, min(HEAD_BYTES, table.size))
        if len(head) < table.size:
            head = head[: last_record_end(head, b'"', 0) or len(head)]
        (folder / "head.csv").write_bytes(head)
        return intake.Upload(
            folder=folder,
            table_name=intake.base_name(table.name),
            table_bytes=table.size,
            files=sorted(spans),
            file_bytes=sum(span.size for span in spans.values()),
            name=upload.name,
            head=folder / "head.csv",
        )

    @property
    def _direct(self) -> DirectUploads:
        direct = self._store.direct
        if direct is None:
            raise Conflict(
                "The object store (OBJECTS_URL) takes no uploads from outside; begin the upload anew."
            )
        return direct

    def _in_order(self, upload: OpenUpload) -> Sequence[Part]:
        """Give the parts from the first on that are there and of the size they should have."""
        there = {part.number: part for part in self._direct.parts(key_of(upload.id), _id(upload))}
        parts: list[Part] = []
        for number in range(1, self._count(upload) + 1):
            part = there.get(number)
            if part is None or part.size != self._size(upload, number):
                break
            parts.append(part)
        return parts

    def _count(self, upload: OpenUpload) -> int:
        return -(-upload.length // (upload.part_bytes or 1))

    def _size(self, upload: OpenUpload, number: int) -> int:
        size = upload.part_bytes or 0
        return min(size, upload.length - (number - 1) * size)


def key_of(upload_id: str) -> str:
    """Give the key of an upload's object: beside what is made of it, so that it goes with the data set."""
    return f"datasets/{upload_id}/upload"


def stream_of(folder: Path) -> StreamIndex | None:
    """Read where an upload's files lie in the store; None where they lie in its folder of the spool."""
    try:
        return StreamIndex.model_validate_json((folder / STREAM_NAME).read_bytes())
    except OSError:
        return None


def _id(upload: OpenUpload) -> str:
    return upload.store_upload or ""
