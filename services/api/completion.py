"""The end of an upload that has all its bytes: a data set is made of it, or it is refused for good."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import update
from werkzeug.exceptions import Locked, RequestEntityTooLarge

from runtime.errors import Invalid, NotFound
from services.api import chunks, datasets
from services.api.direct import STORE
from services.api.intake import assemble
from services.api.models import OpenUpload
from services.api.unpacking import Limits
from services.api.uploads import Misplaced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from runtime.db import Database
    from services.api import intake
    from services.api.direct import Direct
    from services.api.manifest import Manifest
    from services.api.settings import ApiSettings
    from services.api.uploads import Uploads


class Completion:
    """What ends uploads, over those under way."""

    def __init__(self, db: Database, settings: ApiSettings, uploads: Uploads, direct: Direct) -> None:
        self._db = db
        self._settings = settings
        self._spool = settings.spool_dir
        self._uploads = uploads
        self._direct = direct

    @contextmanager
    def of(self, upload_id: str) -> Iterator[intake.Upload]:
        """Make a data set's upload of one that has all its bytes, for a block that registers it by `close`.

        A refusal, here or in the block, is remembered and the bytes are dropped: nothing can be added to them any more.

        Raises:
            NotFound: There is no such upload.
            Misplaced: Bytes are missing.
            Invalid: What was uploaded is refused.
            Locked: Another request is at it.
        """
        upload = self._uploads.get(upload_id)
        _refuse_again(upload)
        folder = self._spool / upload_id
        with chunks.locked(folder, wait=False):
            _refuse_again(self._uploads.get(upload_id))
            manifest = self._uploads.manifest(upload)
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

    def _all_there(self, upload_id: str, manifest: Manifest, folder: Path) -> None:
        """See that every byte is, also after a power cut, and begin the time anew in which it is kept."""
        upload = self._uploads.get(upload_id)
        offset = (
            self._direct.finish(upload)
            if upload.way == STORE
            else chunks.there(folder, manifest, upload.offset)
        )
        self._uploads.advance(upload_id, upload.offset, offset)
        if offset < upload.length:
            raise Misplaced(offset, f"{upload.length - offset} bytes of {upload.length} are still to come.")


def close(session: Session, upload_id: str) -> None:
    """Say, in the transaction that registers the data set, that the upload has become it.

    Raises:
        NotFound: It was cancelled meanwhile.
    """
    _end(session, upload_id, "completed", None)


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
