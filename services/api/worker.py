"""`python -m services.api.worker`: hears what the other services did."""

from __future__ import annotations

from contracts.topology import API
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.storage import open_store
from services.api.handlers import Handlers
from services.api.settings import ApiSettings


def main() -> None:
    """Wire the worker and serve its queue until SIGTERM."""
    settings = load(ApiSettings)
    log.configure("api-worker", settings.log_level, settings.log_format)
    db, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(settings.objects_url),
    )
    handlers = Handlers(store, settings.spool_dir).table()
    consumer = Consumer(db, Outbox(bell.ring), API, handlers)
    checks = {"database": db.check, "objects": store.check}
    worker.run(settings, API, consumer, bell, checks, concurrency=settings.worker_concurrency)


if __name__ == "__main__":
    main()
