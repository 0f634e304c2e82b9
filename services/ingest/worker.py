"""`python -m services.ingest.worker QUEUE` serves ingest.schema or ingest.staging; scale each by starting more."""

from __future__ import annotations

import argparse

from contracts.topology import SCHEMA, STAGING
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.storage import open_store
from runtime.telemetry import Telemetry
from services.ingest.handlers import STAGED_BYTES, schema_handlers, staging_handlers
from services.ingest.settings import IngestSettings
from services.ingest.staging import Limits


def main() -> None:
    """Wire the worker of one queue and serve it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="services.ingest.worker")
    parser.add_argument("queue", choices=(SCHEMA, STAGING))
    queue = parser.parse_args().queue
    settings = load(IngestSettings)
    log.configure(queue, settings.log_level, settings.log_format)
    db, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(
            settings.objects_url,
            attempts=settings.objects_attempts,
            timeout_seconds=settings.objects_timeout_seconds,
        ),
    )
    telemetry = Telemetry.of(queue, settings)
    if queue == SCHEMA:
        handlers = schema_handlers(settings.spool_dir, store)
        concurrency = settings.schema_concurrency
    else:
        limits = Limits(
            shard_from_files=settings.shard_from_files,
            shard_below_bytes=settings.shard_below_bytes,
            shard_bytes=settings.shard_bytes,
        )
        staged = telemetry.registry.counter(*STAGED_BYTES)
        handlers = staging_handlers(
            settings.spool_dir, store, limits, settings.progress_seconds, count=staged.inc
        )
        concurrency = settings.staging_concurrency
    consumer = Consumer(
        db,
        Outbox(bell.ring),
        queue,
        telemetry.handlers(queue, handlers),
        work_max_seconds=settings.work_max_seconds,
        wait_seconds=settings.store_wait_hours * 3600,
    )
    checks = {"database": db.check, "objects": store.check}
    worker.run(settings, queue, consumer, bell, checks, telemetry, concurrency=concurrency)


if __name__ == "__main__":
    main()
