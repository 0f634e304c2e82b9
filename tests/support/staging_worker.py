"""`python -m support.staging_worker LEASE_SECONDS`: the staging worker without Redis, to be killed again and again.

Its handlers, consumer, database and store are the real ones; it looks for due deliveries itself, its lease is as short as it is
told, and it gives nothing up: the platform would after three deaths.
"""

from __future__ import annotations

import sys
import time

from sqlalchemy import select

from contracts.topology import STAGING
from runtime import log
from runtime.bus import Consumer
from runtime.db import Database, unix_now
from runtime.outbox import PENDING, Delivery, Outbox
from runtime.settings import load
from runtime.storage import open_store
from services.ingest.handlers import staging_handlers
from services.ingest.settings import IngestSettings
from services.ingest.staging import Limits


def main() -> None:
    """Work until killed."""
    settings = load(IngestSettings)
    log.configure("staging", settings.log_level, "text")
    db, store = Database(settings.database_url), open_store(settings.objects_url)
    handlers = staging_handlers(settings.spool_dir, store, Limits(), settings.progress_seconds)
    consumer = Consumer(
        db,
        Outbox(lambda: None),
        STAGING,
        handlers,
        lease_seconds=float(sys.argv[1]),
        retry_seconds=0.1,
        max_attempts=1000,
    )
    while True:
        for number in due(db):
            consumer.receive(number)
        time.sleep(0.02)


def due(db: Database) -> list[int]:
    """Find what the relay would publish."""
    now = unix_now()
    wanted = select(Delivery.id).where(
        Delivery.queue == STAGING,
        Delivery.state == PENDING,
        Delivery.due_at <= now,
        Delivery.lease_until < now,
    )
    with db.read() as session:
        return list(session.scalars(wanted))


if __name__ == "__main__":
    main()
