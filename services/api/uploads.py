"""Uploads in chunks: begin one, append to it, make a data set of it, give it up, and remove what was forgotten.

The row knows how many bytes are there for good. A chunk is received into a file without a name, checked, copied into
place under a lock, and only then counted; whatever dies before that leaves bytes that the next try overwrites.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from sqlalchemy import case, delete, literal, select, update
from werkzeug.exceptions import HTTPException, Locked, RequestEntityTooLarge

from runtime.db import UtcDateTime, now
from runtime.errors import Conflict, Invalid, NotFound
from services.api import datasets
from services.api.direct import SPOOL, STORE
from services.api.intake import assemble
from services.api.manifest import Manifest, declare
from services.api.models import OpenUpload
from services.api.names import plain_name
from services.api.unpacking import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from runtime.storage import ObjectStore
    from runtime.storage.direct import SignedPart
    from services.api import intake
    from services.api.checksum import Digest
    from services.api.direct import Direct
    from services.api.manifest import Piece
    from services.api.quotas import Quotas
    from services.api.settings import ApiSettings

_BLOCK = 1024 * 1024
# Of a manifest's JSON, for each file that an upload may have: its memory is several times that
_MANIFEST_BYTES_A_FILE = 256
_MANIFEST_BYTES = 1024 * 1024
_LISTED = 100


class Misplaced(Conflict):
    """A chunk does not begin where the bytes that are there end."""

    def __init__(self, offset: int, message: str = "") -> None:
        super().__init__(message or f"The upload has {offset} bytes; go on from there.")
        self.offset = offset


class ChecksumMismatch(HTTPException):
    """A chunk did not arrive as it was sent (tus 1.0)."""

    code = 460
    name = "Checksum Mismatch"
    description = (
        "The chunk does not have the checksum that was sent with it; nothing of it was kept. Send it again."
    )


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
            return self._advance(upload.id, upload.offset, offset)
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
            self._advance(upload_id, upload.offset, upload.offset)
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
                size = self._receive(body, chunk, upload, checksum)
                with _locked(folder):
                    # Another request may have brought the same chunk meanwhile
                    _expect(self.get(upload_id), offset)
                    chunk.seek(0)
                    for piece in manifest.pieces(offset, offset + size):
                        _put(chunk, manifest.place(folder, piece.number), piece)
                    return self._advance(upload_id, offset, offset + size)
        except FileNotFoundError:
            raise NotFound(f"The upload {upload_id!r} was cancelled.") from None

    @contextmanager
    def completing(self, upload_id: str) -> Iterator[intake.Upload]:
        """Make a data set's upload of one that has all its bytes, for a block that registers it by `close`.

        A refusal, here or in the block, is remembered and the bytes are dropped: nothing can be added to them any more.

        Raises:
            NotFound: There is no such upload.
            Misplaced: Bytes are missing.
            Invalid: What was uploaded is refused.
            Locked: Another request is at it.
        """
        upload = self.get(upload_id)
        _refuse_again(upload)
        folder = self._spool / upload_id
        with _locked(folder, wait=False):
            _refuse_again(self.get(upload_id))
            manifest = self.manifest(upload)
            self._all_there(upload_id, manifest, folder)
            try:
                yield (
                    self._direct.lay_out(upload, manifest, folder)
                    if upload.way == STORE
                    else assemble(folder, manifest, Limits.of(self._settings), upload.name)
                )
            except (Invalid, RequestEntityTooLarge) as error:
                with self._db.write() as session:
                    _end(session, upload_id, "refused", getattr(error, "description", None) or str(error))
                datasets.drop_spool(self._spool, upload_id)
                if upload.way == STORE:
                    self._direct.drop(upload_id)
                raise
        for rest in (folder / "manifest.json", folder / "lock", folder / "head.csv"):
            rest.unlink(missing_ok=True)
        shutil.rmtree(folder / "incoming", ignore_errors=True)

    def close(self, session: Session, upload_id: str) -> None:
        """Say, in the transaction that registers the data set, that the upload has become it.

        Raises:
            NotFound: It was cancelled meanwhile.
        """
        _end(session, upload_id, "completed", None)

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

    def _receive(
        self,
        body: IO[bytes],
        chunk: IO[bytes],
        upload: OpenUpload,
        checksum: tuple[Digest, bytes] | None,
    ) -> int:
        most, left = self._settings.upload_chunk_bytes, upload.length - upload.offset
        size = 0
        while block := body.read(_BLOCK):
            size += len(block)
            if size > most:
                raise RequestEntityTooLarge(
                    description=f"The chunk has more than {most} bytes, the most allowed (UPLOAD_CHUNK_BYTES)."
                )
            if size > left:
                raise RequestEntityTooLarge(
                    description=f"The chunk goes beyond the end of the upload, which has {upload.length} bytes."
                )
            if checksum:
                checksum[0].update(block)
            chunk.write(block)
        if checksum and checksum[0].digest() != checksum[1]:
            raise ChecksumMismatch
        return size

    def _advance(self, upload_id: str, offset: int, to: int) -> OpenUpload:
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

    def _all_there(self, upload_id: str, manifest: Manifest, folder: Path) -> None:
        """See that every byte is, also after a power cut, and begin the time anew in which it is kept."""
        upload = self.get(upload_id)
        if upload.way == STORE:
            offset = self._direct.finish(upload)
            self._advance(upload_id, upload.offset, offset)
            if offset < upload.length:
                raise Misplaced(
                    offset, f"{upload.length - offset} bytes of {upload.length} are still to come."
                )
            return
        offset = upload.offset
        for number in range(len(manifest.files)):
            begin, end = manifest.start(number), min(manifest.ends[number], upload.offset)
            if begin < end and _size(manifest.place(folder, number)) < end - begin:
                offset = begin
                break
        self._advance(upload_id, upload.offset, offset)
        if offset < upload.length:
            raise Misplaced(offset, f"{upload.length - offset} bytes of {upload.length} are still to come.")


def sweep(db: Database, spool_dir: Path, hours: float, store: ObjectStore) -> int:
    """Remove uploads that nothing was added to for long, and folders of the spool that belong to nothing.

    Args:
        db: The api's database.
        spool_dir: The spool.
        hours: How long a folder may stand that neither an upload nor a data set owns: one POST may be filling it.
        store: Where uploads lie that go past this service.

    Returns:
        How many folders were removed.
    """
    with db.write() as session:
        ended = session.execute(
            delete(OpenUpload)
            .where(OpenUpload.expires_at <= now())
            .returning(OpenUpload.id, OpenUpload.state, OpenUpload.way)
        ).all()
    removed = [row.id for row in ended if row.state != "completed"]
    for row in ended:
        if row.state != "completed" and row.way == STORE:
            # where this fails, the store's unfinished writes are dropped by the cleaner, after UNFINISHED_HOURS
            store.delete_prefix(f"datasets/{row.id}")
    long_ago = (now() - timedelta(hours=hours)).timestamp()
    old = {path.name for path in spool_dir.iterdir() if path.is_dir() and path.stat().st_mtime < long_ago}
    if old:
        with db.read() as session:
            removed += old - datasets.known(session, old) - _known(session, old)
    for name in removed:
        datasets.drop_spool(spool_dir, name)
    return len(removed)


def _known(session: Session, ids: set[str]) -> set[str]:
    return set(session.scalars(select(OpenUpload.id).where(OpenUpload.id.in_(ids))))


def _expect(upload: OpenUpload, offset: int) -> None:
    if upload.state != "open":
        raise Misplaced(upload.offset, f"The upload has ended ({upload.state}).")
    if upload.offset != offset:
        raise Misplaced(upload.offset)


def _refuse_again(upload: OpenUpload) -> None:
    if upload.state == "refused":
        raise Invalid(upload.reason or "")
    if upload.state == "completed":
        raise Locked("Another request has just finished this upload; ask again.")


def _end(session: Session, upload_id: str, state: str, reason: str | None) -> None:
    ended = session.execute(
        update(OpenUpload)
        .where(OpenUpload.id == upload_id, OpenUpload.state == "open")
        .values(state=state, reason=reason)
        .returning(OpenUpload.id)
    )
    if ended.first() is None:
        raise NotFound(f"The upload {upload_id!r} was cancelled.")


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other requests, of other processes too, from an upload's files; freed when the process dies."""
    try:
        file = (folder / "lock").open("rb")
    except FileNotFoundError:
        raise NotFound(f"The upload {folder.name!r} has ended.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked("Another request is working on this upload; ask again in a moment.") from None
        yield


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _put(chunk: IO[bytes], place: Path, piece: Piece) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:  # what is there stays
        file.seek(piece.at)
        left = piece.size
        while left:
            left -= file.write(chunk.read(min(left, _BLOCK)))
