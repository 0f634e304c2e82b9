"""Uploads under way: begin one, add to it, look it up, give it up.

The row knows how many bytes are there for good. A chunk is received into a file without a name, checked, copied into
place under a lock (chunks.py), and only then counted; whatever dies before that leaves bytes that the next try overwrites.
completion.py makes a data set of an upload; sweeping.py removes what was forgotten.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from sqlalchemy import case, delete, literal, select, update
from werkzeug.exceptions import RequestEntityTooLarge

from runtime.db import UtcDateTime, now
from runtime.errors import Conflict, NotFound
from services.api import chunks, datasets
from services.api.direct import SPOOL, STORE
from services.api.manifest import Manifest, declare
from services.api.models import OpenUpload
from services.api.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.db import Database
    from runtime.storage.direct import SignedPart
    from services.api.checksum import Digest
    from services.api.direct import Direct
    from services.api.quotas import Quotas
    from services.api.settings import ApiSettings

# Of a manifest's JSON, for each file that an upload may have: its memory is several times that
_MANIFEST_BYTES_A_FILE = 256
_MANIFEST_BYTES = 1024 * 1024
_LISTED = 100


class Misplaced(Conflict):
    """A chunk does not begin where the bytes that are there end."""

    def __init__(self, offset: int, message: str = "") -> None:
        super().__init__(message or f"The upload has {offset} bytes; go on from there.")
        self.offset = offset


class Uploads:
    """Uploads under way, over the database and the spool."""

    def __init__(self, db: Database, settings: ApiSettings, quotas: Quotas, direct: Direct) -> None:
        self._db = db
        self._direct = direct
        self._spool = settings.spool_dir
        self._settings = settings
        self._quotas = quotas
        self._keep = timedelta(hours=settings.upload_hours)
        # the store's cleaner drops what nothing was added to for so long
        self._keep_in_store = min(self._keep, timedelta(hours=settings.unfinished_hours))
        # A manifest never changes. Each of 200,000 files takes some 40 MB, hence few
        self._manifest: Callable[[str], Manifest] = lru_cache(maxsize=4)(self._read_manifest)

    def begin(self, body: IO[bytes], *, direct: bool) -> OpenUpload:
        """Start an upload.

        Args:
            body: JSON that says which files are to come.
            direct: Whether the sender can put parts where it is told, unless the body says.

        Raises:
            Invalid: They would be refused in the end.
            RequestEntityTooLarge: As Invalid, for a limit on size or number.
            OverLimit: Too many uploads are under way, or there are too many data sets.
            InsufficientStorage: There is less room than they need, on the disk or within the limit on bytes.
        """
        settings = self._settings
        most = _MANIFEST_BYTES + _MANIFEST_BYTES_A_FILE * settings.max_files
        raw = body.read(most + 1)
        if len(raw) > most:
            raise RequestEntityTooLarge(
                description=f"The list of files has more than {most} bytes; at most {settings.max_files} files are allowed (MAX_FILES)."
            )
        wish, manifest = declare(
            raw,
            most_files=settings.max_files,
            most_bytes=settings.max_upload_bytes,
            folders=settings.max_upload_folders,
        )
        upload_id, name = datasets.new_id(), plain_name(wish.name, "The name")
        wanted = direct if wish.direct is None else wish.direct
        store_upload, part_bytes = self._direct.begin(upload_id, manifest) if wanted else (None, None)
        past = store_upload is not None
        upload = OpenUpload(
            id=upload_id,
            name=name,
            fingerprint=wish.fingerprint,
            length=manifest.length,
            files=len(manifest.files),
            way=STORE if past else SPOOL,
            store_upload=store_upload,
            part_bytes=part_bytes,
            expires_at=now() + (self._keep_in_store if past else self._keep),
        )
        folder = self._spool / upload.id
        try:
            self._quotas.admit_bytes(0 if past else manifest.length)
            folder.mkdir()
            manifest.write(folder / "manifest.json")
            (folder / "lock").touch()
            with self._db.write() as session:
                self._quotas.admit_upload(session, manifest.length)
                session.add(upload)
        except BaseException:
            datasets.drop_spool(self._spool, upload.id)
            if past:
                self._direct.drop(upload.id)
            raise
        return upload

    def get(self, upload_id: str) -> OpenUpload:
        """Look one up.

        Raises:
            NotFound: There is none by that id, or it expired.
        """
        with self._db.read() as session:
            upload = session.get(OpenUpload, upload_id)
        if upload is None or upload.expires_at <= now():
            raise NotFound(
                f"There is no upload {upload_id!r}; after {self._settings.upload_hours:g} hours without a new chunk it is removed."
            )
        return upload

    def refreshed(self, upload: OpenUpload) -> OpenUpload:
        """Count anew what is there of an upload that goes past this service.

        Raises:
            NotFound: The store has given it up.
        """
        if upload.way != STORE or upload.state != "open":
            return upload
        offset = self._direct.offset(upload)
        if offset == upload.offset:
            return upload
        try:
            return self.advance(upload.id, upload.offset, offset)
        except NotFound:  # another request has just counted, too
            return self.get(upload.id)

    def sign(self, upload_id: str, number: int, crc32: str) -> SignedPart:
        """Give an address for one part of an upload that goes past this service; it is kept for longer then.

        Raises:
            NotFound: There is no such upload.
            Conflict: Its bytes go another way, or it has ended.
            Invalid: There is no such part.
        """
        upload = self.get(upload_id)
        signed = self._direct.sign(upload, number, crc32)
        if upload.expires_at < now() + self._keep_in_store / 2:
            self.advance(upload_id, upload.offset, upload.offset)
        return signed

    def find(self, fingerprint: str | None) -> Sequence[OpenUpload]:
        """List those under way, newest first; with a fingerprint, only its own."""
        query = select(OpenUpload).where(OpenUpload.state == "open", OpenUpload.expires_at > now())
        if fingerprint is not None:
            query = query.where(OpenUpload.fingerprint == fingerprint)
        with self._db.read() as session:
            return session.scalars(query.order_by(OpenUpload.created_at.desc()).limit(_LISTED)).all()

    def manifest(self, upload: OpenUpload) -> Manifest:
        """Give the files of an upload.

        Raises:
            NotFound: It has ended, and they are no longer its own.
        """
        try:
            return self._manifest(upload.id)
        except FileNotFoundError:
            raise NotFound(f"The upload {upload.id!r} has ended ({upload.state}).") from None

    def append(
        self, upload_id: str, offset: int, body: IO[bytes], checksum: tuple[Digest, bytes] | None
    ) -> OpenUpload:
        """Add a chunk, or nothing at all.

        Args:
            upload_id: Whose.
            offset: Where in the upload it begins.
            body: Its bytes.
            checksum: Something to count them with, and what it should come to.

        Raises:
            NotFound: There is no such upload, or no longer.
            Misplaced: The upload has more or fewer bytes.
            RequestEntityTooLarge: The chunk has too many.
            ChecksumMismatch: It did not arrive as it was sent.
            InsufficientStorage: The disk would be too full with it.
        """
        upload = self.get(upload_id)
        if upload.way == STORE:
            raise Conflict(
                f"This upload's bytes go straight to the object store: ask POST /api/datasets/{upload_id}/parts/ where each part goes."
            )
        _expect(upload, offset)
        self._quotas.admit_bytes(min(upload.length - offset, self._settings.upload_chunk_bytes))
        manifest = self.manifest(upload)
        folder = self._spool / upload_id
        try:
            with TemporaryFile(dir=folder) as chunk:  # gone when its process is
                size = chunks.receive(body, chunk, upload, self._settings.upload_chunk_bytes, checksum)
                with chunks.locked(folder):
                    # Another request may have brought the same chunk meanwhile
                    _expect(self.get(upload_id), offset)
                    chunks.put(chunk, folder, manifest, offset, offset + size)
                    return self.advance(upload_id, offset, offset + size)
        except FileNotFoundError:
            raise NotFound(f"The upload {upload_id!r} was cancelled.") from None

    def advance(self, upload_id: str, offset: int, to: int) -> OpenUpload:
        """Count bytes as there for good, and begin the time anew in which they are kept.

        Args:
            upload_id: Whose.
            offset: How many were counted until now.
            to: How many are there.

        Raises:
            NotFound: It has ended, or another request has counted meanwhile.
        """
        keep = case(
            (OpenUpload.way == STORE, literal(now() + self._keep_in_store, UtcDateTime)),
            else_=literal(now() + self._keep, UtcDateTime),
        )
        with self._db.write() as session:
            upload: OpenUpload | None = session.scalar(
                update(OpenUpload)
                .where(OpenUpload.id == upload_id, OpenUpload.state == "open", OpenUpload.offset == offset)
                .values(offset=to, expires_at=keep)
                .returning(OpenUpload)
            )
        if upload is None:
            raise NotFound(f"The upload {upload_id!r} has ended.")
        return upload

    def cancel(self, upload_id: str) -> None:
        """Give an upload up, and drop its bytes.

        Raises:
            NotFound: There is none by that id.
            Conflict: It has become a data set.
        """
        upload = self.get(upload_id)
        with self._db.write() as session:
            gone = session.scalar(
                delete(OpenUpload)
                .where(OpenUpload.id == upload_id, OpenUpload.state != "completed")
                .returning(OpenUpload.id)
            )
        if gone is None:
            raise Conflict("The upload has become a data set; delete that.")
        datasets.drop_spool(self._spool, upload_id)
        if upload.way == STORE:
            self._direct.drop(upload_id)

    def _read_manifest(self, upload_id: str) -> Manifest:
        return Manifest.read(self._spool / upload_id / "manifest.json")


def _expect(upload: OpenUpload, offset: int) -> None:
    if upload.state != "open":
        raise Misplaced(upload.offset, f"The upload has ended ({upload.state}).")
    if upload.offset != offset:
        raise Misplaced(upload.offset)
