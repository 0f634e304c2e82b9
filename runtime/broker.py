"""The Celery app of a process: what it sends, and what this platform relies on in the broker's settings."""

from __future__ import annotations

from typing import Final

from celery import Celery
from kombu import Queue

TASK: Final = "triptych.deliver"
CANARY: Final = "triptych.canary"


def make_celery(
    redis_url: str,
    queues: tuple[str, ...] = (),
    *,
    visibility_seconds: float = 3600.0,
    stop_seconds: float = 0.0,
) -> Celery:
    """Make the Celery app of one process.

    Args:
        redis_url: The broker.
        queues: What a worker listens to; empty for a process that only sends.
        visibility_seconds: After these a message that was taken but not acknowledged goes back into its queue.
        stop_seconds: Time that work at hand gets after SIGTERM.
    """
    app = Celery("triptych", broker=redis_url)
    app.conf.update(
        task_ignore_result=True,
        task_queues=[Queue(name) for name in queues] or None,
        # Early acknowledgement is enough: a message is a doorbell, the delivery row brings lost work back
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=stop_seconds,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": visibility_seconds,
            # Explicit, because with the defaults a killed worker's messages come back up to 100 s later
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
        },
    )
    return app
