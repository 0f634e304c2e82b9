"""Runs a Celery worker over one queue; what each service's worker.py calls last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from runtime import health
from runtime.bus import TASK, Bell, Consumer, make_celery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runtime.settings import Settings
    from runtime.telemetry import Telemetry


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
    """Serve one queue until SIGTERM, then let the work at hand finish.

    Args:
        settings: The process's settings.
        queue: What to listen to.
        consumer: What handles a delivery.
        bell: For the readiness probe of Redis.
        checks: Further readiness checks by name.
        telemetry: What /metrics gives.
        concurrency: Deliveries handled at a time, in threads.
    """
    app = make_celery(settings.redis_url, (queue,))

    @app.task(name=TASK)
    def deliver(delivery_id: int, _envelope: dict[str, Any]) -> None:
        consumer.receive(delivery_id)

    # Each receipt and success would be a line, the first with the whole message; ours say what was handled
    for noisy in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    checks = {"redis": bell.check, **checks}
    health.serve(settings.health_host, settings.health_port, checks, metrics=telemetry.registry.text)
    app.worker_main(
        [
            "--quiet",  # no banner among the log lines
            "worker",
            f"--queues={queue}",
            "--pool=threads",
            f"--concurrency={concurrency}",
            f"--hostname={queue}@%h-{settings.health_port}",
            "--without-gossip",
            "--without-mingle",
            f"--loglevel={settings.log_level}",
        ]
    )
