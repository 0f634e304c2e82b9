"""The api over a real database, a folder as object store, and no Redis: it must work while Redis is away."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from runtime.bus import Work
from runtime.outbox import Delivery, claim
from runtime.storage import open_store
from services.api.app import create_app
from services.api.handlers import Handlers
from services.api.settings import ApiSettings
from support.access import ENVIRON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from contracts.events import Event
    from runtime.db import Database


def png(color: str = "red", side: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), color).save(out, "PNG")
    return out.getvalue()


ROWS = 40
TABLE = "photo,age,note,label\n" + "".join(
    f"p{n}.png,{n * 1.5},note number {n} of many words here,{'cat' if n % 2 else 'dog'}\n"
    for n in range(ROWS)
)


class Platform:
    """A client, and the events' other end in the test's hands."""

    def __init__(self, settings: ApiSettings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.store = open_store(settings.objects_url)
        self.app = create_app(settings)
        self.client = self.another_client()
        self._handlers = Handlers(self.store, settings.spool_dir).table()

    def another_client(self) -> FlaskClient:
        """Make a client for another thread; it has the key that may do everything."""
        client = self.app.test_client()
        client.environ_base.update(ENVIRON)
        return client

    def upload(self, table: str | bytes = TABLE, images: int | dict[str, bytes] = 3, **fields: object):
        raw = table.encode() if isinstance(table, str) else table
        parts = {"file": (io.BytesIO(raw), "pets.csv"), **fields}
        if isinstance(images, int):
            images = {f"photos/p{n}.png": png() for n in range(images)}
        if images:
            parts["images"] = [(io.BytesIO(raw), name) for name, raw in images.items()]
        return self.client.post("/api/datasets/upload_and_detect/", data=parts)

    def emitted(self) -> list[tuple[str, str]]:
        """Every (event, queue) so far."""
        with self.database.read() as session:
            rows = session.query(Delivery).order_by(Delivery.id).all()
            return [(self._event_of(session, row), row.queue) for row in rows]

    def hear(self, event: Event) -> None:
        """Let the api handle an event, as its worker would."""
        from runtime.outbox import Outbox

        outbox = Outbox(lambda: None)
        with self.database.write() as session:
            outbox.emit(session, event)
        with self.database.write() as session:
            row = session.query(Delivery).filter(Delivery.queue == "api").order_by(Delivery.id.desc()).first()
            lease = claim(session, row.id, "api", seconds=60)
        work = Work(self.database, outbox, lease)
        self._handlers[event.NAME](event, work)
        assert work.finished

    def stage(self, dataset_id: str) -> None:
        """Play ingest: tell that both tracks ended well."""
        from contracts.events import DatasetSchemaDetected, DatasetStaged

        with self.database.read() as session:
            from services.api.models import Dataset

            detected = session.get(Dataset, dataset_id).detected
        import json

        root = f"datasets/{dataset_id}"
        spool = self.settings.spool_dir / dataset_id
        self.store.put_file(f"{root}/table.csv", spool / "table.csv")
        for file in (path for path in (spool / "files").rglob("*") if path.is_file()):
            self.store.put_file(f"{root}/images/{file.relative_to(spool / 'files').as_posix()}", file)
        key = f"{root}/schema.json"
        self.store.put_bytes(key, json.dumps({**detected, "complete": True}).encode())
        self.hear(
            DatasetSchemaDetected(
                dataset_id=dataset_id,
                schema_uri=self.store.uri(key),
                rows=ROWS,
                columns=len(detected["columns"]),
            )
        )
        self.hear(
            DatasetStaged(
                dataset_id=dataset_id,
                train_file=self.store.uri(f"datasets/{dataset_id}/table.csv"),
                train_folder=self.store.uri(f"datasets/{dataset_id}/images") + "/",
                bytes_total=1,
                files=3,
            )
        )

    @staticmethod
    def _event_of(session, row) -> str:
        from runtime.outbox import EventRow

        return session.get(EventRow, row.event_id).envelope["event"]


@pytest.fixture(scope="session")
def platform_class() -> type[Platform]:
    """For a module that wants one of its own."""
    return Platform


@pytest.fixture
def platform(database, migrated_url, tmp_path: Path) -> Iterator[Platform]:
    settings = ApiSettings(
        database_url=migrated_url,
        redis_url="redis://127.0.0.1:1/0",
        objects_url=f"file://{tmp_path}/objects",
        spool_dir=tmp_path / "spool",
        max_upload_bytes=200_000,
        upload_chunk_bytes=16_384,
    )
    platform = Platform(settings, database)
    yield platform
    platform.app.extensions["triptych"].db.engine.dispose()
