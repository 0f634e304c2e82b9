"""The Celery worker of this platform: threads, a stop that waits for work only as long as it lasts, and checks before it starts.

Import it only once REMAP_SIGTERM is in the environment: Celery reads it when it is imported.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import celery.apps.worker
from celery.concurrency.thread import TaskPool
from celery.exceptions import WorkerTerminate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

LEAST_VERSION = (5, 7)  # of celery and kombu: earlier ones can hang for ever on Redis after a reconnect


class UnsafeWorker(SystemExit):
    """The worker would not keep what the platform promises; leaving it uncaught says why and ends the process."""


class Threads(TaskPool):
    """Threads that a stop does not wait for: the worker has, and a thread cannot be ended."""

    _stopped = False

    def on_stop(self) -> None:
        """Start nothing more; what waits for a thread goes back into its queue."""
        self._stopped = True
        self.executor.shutdown(wait=False, cancel_futures=True)  # type: ignore[attr-defined] # the stubs lack it

    def on_apply(self, *args: Any, **options: Any) -> Any:
        """Take a message to a thread, or end the worker: a signal may stop the pool while one is on its way here.

        Raises:
            WorkerTerminate: The pool is stopped; what was on its way goes back into its queue.
        """
        if self._stopped:
            raise WorkerTerminate
        return super().on_apply(*args, **options)

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        """Do nothing, where Celery's threads raise NotImplementedError in the midst of a soft shutdown."""


class Worker(celery.apps.worker.Worker):
    """A worker whose soft shutdown ends when the work does; Celery's sleeps for the whole of its time."""

    def __init__(self, close: Callable[[float], None], **options: Any) -> None:
        self._close = close
        super().__init__(pool_cls=Threads, without_gossip=True, without_mingle=True, quiet=True, **options)

    def wait_for_soft_shutdown(self) -> None:  # type: ignore[override] # the stubs say bool, Celery gives none
        """Let the work at hand end, and give up what has not in its time."""
        self._close(self.app.conf.worker_soft_shutdown_timeout)


def check(worker: Worker, redis_url: str, *, work_max_seconds: float) -> None:
    """Refuse to start a worker whose effective configuration is not what the platform relies on.

    Args:
        worker: Made, not started; what it holds is what environment, defaults and code came to.
        redis_url: The broker it should have.
        work_max_seconds: Longest time a handler may go without a checkpoint.

    Raises:
        UnsafeWorker: With a line for each thing that is wrong.
    """
    wrong = [words for kept, words in _promises(worker, worker.app, redis_url, work_max_seconds) if not kept]
    if wrong:
        raise UnsafeWorker("The worker does not start:\n" + "\n".join(f"  {words}" for words in wrong))


def _promises(
    worker: Any, app: Celery, redis_url: str, work_max_seconds: float
) -> Iterator[tuple[bool, str]]:
    """Give whether each thing that has to be so is, and what to say where it is not."""
    for package in ("celery", "kombu"):
        yield (
            tuple(int(part) for part in version(package).split(".")[:2]) >= LEAST_VERSION,
            f"{package} is {version(package)}; before 5.7 it can hang for ever on Redis after a reconnect",
        )
    remapped = vars(celery.apps.worker)["REMAP_SIGTERM"]
    yield (
        remapped == "SIGQUIT",
        f"REMAP_SIGTERM is {remapped!r}; unset it, or make it SIGQUIT: else SIGTERM waits for work without end",
    )
    yield (
        app.conf.broker_read_url == app.conf.broker_write_url == redis_url,
        "CELERY_BROKER_URL, CELERY_BROKER_READ_URL or CELERY_BROKER_WRITE_URL leads elsewhere than REDIS_URL; unset it",
    )
    options = app.connection_for_read().transport_options or {}
    yield (
        options.get("visibility_timeout", 0) > work_max_seconds,
        f"the visibility timeout is {options.get('visibility_timeout')} s; it must be above WORK_MAX_SECONDS ({work_max_seconds:g})",
    )
    for name in ("unacked_restore_interval", "unacked_restore_throttle"):
        yield (
            options.get(name) == 1,
            f"{name} is {options.get(name)}; it must be 1, so that a killed worker's messages come back in time",
        )
    yield (
        app.conf.worker_soft_shutdown_timeout > 0,
        "the soft shutdown has no time: SIGTERM would give up all work at hand",
    )
    yield (
        not app.conf.task_acks_late and worker.prefetch_multiplier == 1,
        "messages are acknowledged late or fetched ahead, though delivery rows and not messages stand for work",
    )
    yield (
        worker.time_limit is None and worker.soft_time_limit is None,
        "a task time limit is set, which does nothing in threads; WORK_MAX_SECONDS is the limit",
    )
    yield (
        worker.pool_cls is Threads,
        f"the pool is {worker.pool_cls!r}; leases are kept by the process whose threads do the work",
    )
