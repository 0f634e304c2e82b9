"""Runs a Celery worker over one queue; what each service's worker.py calls last."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from runtime import health
from runtime.canary import BEATS, Canary
from runtime.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.bus import Bell, Consumer
    from runtime.settings import Settings
    from runtime.telemetry import Telemetry

_LAST_SECONDS = 2.0
_log = logging.getLogger(__name__)


def run(
    settings: Settings,
    queue: str,
    consumer: Consumer,
    bell: Bell,
    checks: Mapping[str, Callable[[], object]],
    telemetry: Telemetry,
    *,
    concurrency: int,
) -> None:
    """Serve one queue until SIGTERM, then let the work at hand end, and give up what takes too long.

    Args:
        settings: The process's settings.
        queue: What to listen to.
        consumer: What handles a delivery.
        bell: For the readiness probe of Redis, and to look into the queue.
        checks: Further readiness checks by name.
        telemetry: What /metrics gives.
        concurrency: Deliveries handled at a time, in threads.

    Raises:
        UnsafeWorker: Celery is not configured as the platform relies on.
    """
    # SIGTERM is Celery's soft shutdown only with this; it is read once, when celery is imported
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from runtime.broker import CANARY, TASK, make_celery  # noqa: PLC0415 - see above
    from runtime.celery_worker import Worker, check  # noqa: PLC0415 - see above

    app = make_celery(
        settings.redis_url,
        (queue,),
        # A message may wait as long for a thread as one handler may take
        visibility_seconds=2 * settings.work_max_seconds,
        stop_seconds=settings.work_stop_seconds,
    )
    canary = Canary(
        consumer.leases,
        concurrency,
        lambda: bell.waiting(queue),
        lambda: app.send_task(CANARY, queue=queue, retry=False),
        seconds=settings.canary_seconds,
    )

    @app.task(name=TASK)
    def deliver(delivery_id: int, _envelope: dict[str, Any]) -> None:
        canary.taken()
        consumer.receive(delivery_id)

    @app.task(name=CANARY)
    def sing() -> None:
        canary.taken()

    # Each receipt and success would be a line, the first with the whole message; ours say what was handled
    for noisy in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    worker = Worker(
        consumer.leases.close,
        app=app,
        queues=[queue],
        concurrency=concurrency,
        hostname=f"{queue}@{socket.gethostname()}-{settings.health_port}",
        loglevel=settings.log_level,
    )
    check(worker, settings.redis_url, work_max_seconds=settings.work_max_seconds)
    beating = Loop("canary", canary.beat, seconds=settings.canary_seconds / BEATS)
    health.serve(
        settings.health_host,
        settings.health_port,
        {"redis": bell.check, **checks},
        alive={"canary": canary.check},
        metrics=telemetry.registry.text,
    )
    beating.start()
    try:
        worker.start()
    finally:
        # After a SIGTERM nothing is left to wait for; Ctrl-C and a defect of Celery end here, too
        consumer.leases.close(settings.work_stop_seconds)
        beating.stop()
        threading.Thread(target=_end, args=[worker.exitcode or 0], name="end", daemon=True).start()
    if worker.exitcode:
        sys.exit(worker.exitcode)


def _end(status: int) -> None:
    """End the process that has not ended by itself: Python waits for every thread, and some may hang."""
    time.sleep(_LAST_SECONDS)
    _log.warning("ended although threads still run")
    os._exit(status)
