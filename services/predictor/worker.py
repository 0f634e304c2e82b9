"""`python -m services.predictor.worker`: predicts tables; scale it by starting more."""

from __future__ import annotations

import os

from contracts.topology import PREDICTOR
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.children import passed_on
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.telemetry import Telemetry
from services.predictor.handlers import handlers
from services.predictor.models import Models
from services.predictor.process import ModelProcess
from services.predictor.settings import PredictorSettings


def main() -> None:
    """Wire the worker and serve its queue until SIGTERM."""
    settings = load(PredictorSettings)
    log.configure("predictor", settings.log_level, settings.log_format)
    db, bell = Database(settings.database_url), Bell(settings.redis_url)
    command, idle = settings.command(), f"--idle-seconds={settings.idle_seconds}"
    environ = {
        **passed_on(os.environ),
        "LOG_FORMAT": settings.log_format,
        "LOG_LEVEL": settings.log_level,
    }
    models = Models(
        lambda artifacts: ModelProcess([*command, f"--artifacts={artifacts}", idle], environ),
        most=max(settings.loaded_models, settings.worker_concurrency),
        load_seconds=settings.load_seconds,
        task_seconds=settings.prediction_seconds,
    )
    telemetry = Telemetry.of("predictor", settings)
    consumer = Consumer(
        db,
        Outbox(bell.ring),
        PREDICTOR,
        telemetry.handlers(PREDICTOR, handlers(models.predict)),
        work_max_seconds=settings.work_max_seconds,
        wait_seconds=settings.store_wait_hours * 3600,
    )
    try:
        worker.run(
            settings,
            PREDICTOR,
            consumer,
            bell,
            {"database": db.check},
            telemetry,
            concurrency=settings.worker_concurrency,
        )
    finally:
        models.close()


if __name__ == "__main__":
    main()
