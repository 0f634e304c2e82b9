"""`python -m services.api.worker`: hears what the other services did, and removes uploads that were given up."""

from __future__ import annotations

from contracts.topology import API
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.loop import Loop
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.storage import open_store
from services.api.handlers import Handlers
from services.api.settings import ApiSettings
from services.api.uploads import sweep

_SWEEP_SECONDS = 60


def main() -> None:
    """Wire the worker and serve its queue until SIGTERM."""
    settings = load(ApiSettings)
    log.configure("api-worker", settings.log_level, settings.log_format)
    db, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(
            settings.objects_url,
            attempts=settings.objects_attempts,
            timeout_seconds=settings.objects_timeout_seconds,
        ),
    )
    handlers = Handlers(store, settings.spool_dir).table()
    consumer = Consumer(db, Outbox(bell.ring), API, handlers)
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    sweeping = Loop(
        "upload sweeper",
        lambda: sweep(db, settings.spool_dir, settings.upload_hours),
        seconds=_SWEEP_SECONDS,
    )
    checks = {"database": db.check, "objects": store.check, "upload sweeper": sweeping.check}
    sweeping.start()
    try:
        worker.run(settings, API, consumer, bell, checks, concurrency=settings.worker_concurrency)
    finally:
        sweeping.stop()


if __name__ == "__main__":
    main()
