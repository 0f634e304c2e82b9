"""`python -m services.metrics.worker`: hears of jobs on the queue `metrics`."""

from __future__ import annotations

from contracts import topology
from runtime import log, worker
from runtime.announcer import Announcer
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.telemetry import Telemetry
from services.metrics.handlers import Handlers
from services.metrics.publisher import Publisher
from services.metrics.settings import MetricsSettings


def main() -> None:
    """Work until SIGTERM."""
    settings = load(MetricsSettings)
    log.configure("metrics-worker", settings.log_level, settings.log_format)
    db, bell = Database(settings.database_url), Bell(settings.redis_url)
    publisher = Publisher(Announcer.of(settings))
    telemetry = Telemetry.of("metrics-worker", settings)
    consumer = Consumer(
        db,
        Outbox(bell.ring),
        topology.METRICS,
        telemetry.handlers(topology.METRICS, Handlers(publisher).table()),
        work_max_seconds=settings.work_max_seconds,
        wait_seconds=settings.store_wait_hours * 3600,
    )
    worker.run(
        settings,
        topology.METRICS,
        consumer,
        bell,
        {"database": db.check},
        telemetry,
        concurrency=settings.metrics_worker_threads,
    )


if __name__ == "__main__":
    main()
