"""`python -m services.launcher.worker`: hears of jobs to launch and to cancel, and looks after those that run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contracts.topology import LAUNCHER
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.children import passed_on
from runtime.db import Database
from runtime.loop import Loop
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.storage import open_store
from services.launcher.backends.local import LocalBackend
from services.launcher.environment import Environments
from services.launcher.handlers import Handlers
from services.launcher.joblogs import JobLogs
from services.launcher.reconciler import Limits, Reconciler
from services.launcher.settings import LauncherSettings

if TYPE_CHECKING:
    from runtime.storage import ObjectStore
    from services.launcher.backend import Backend


def main() -> None:
    """Wire the worker and serve its queue until SIGTERM. What runs goes on running."""
    settings = load(LauncherSettings)
    log.configure("launcher", settings.log_level, settings.log_format)
    db, bell, store = (
        Database(settings.database_url),
        Bell(settings.redis_url),
        open_store(
            settings.objects_url,
            attempts=settings.objects_attempts,
            timeout_seconds=settings.objects_timeout_seconds,
        ),
    )
    outbox = Outbox(bell.ring)
    backend = make_backend(settings, store)
    environments = Environments(
        settings.trainer_api_base,
        settings.pretrained_uri,
        settings.callback_root_secret.get_secret_value(),
        settings.log_format,
        settings.log_level,
    )
    logs = JobLogs(db, backend, store, tail_bytes=settings.log_tail_bytes)
    reconciler = Reconciler(db, outbox, backend, environments.of, logs, limits(settings))
    looking = Loop("reconciler", reconciler.round, seconds=settings.effective("reconcile_seconds"))
    copying = Loop("log copier", logs.copy_all, seconds=settings.effective("log_seconds"))
    consumer = Consumer(db, outbox, LAUNCHER, Handlers(looking.wake).table())
    checks = {
        "database": db.check,
        "objects": store.check,
        "reconciler": looking.check,
        "log copier": copying.check,
    }
    looking.start()
    copying.start()
    try:
        worker.run(settings, LAUNCHER, consumer, bell, checks, concurrency=settings.worker_concurrency)
    finally:
        looking.stop()
        copying.stop()


def make_backend(settings: LauncherSettings, store: ObjectStore) -> Backend:
    """Make the back end that LAUNCHER names."""
    if settings.launcher == "ecs":
        # boto3 takes half a second and 40 MB to import: only those who use it pay
        from services.launcher.backends.ecs import EcsBackend, from_settings  # noqa: PLC0415

        backend: EcsBackend = from_settings(settings, store)
        return backend
    if settings.runs_dir is None:
        raise ValueError("RUNS_DIR is not set")  # the settings' own check comes first
    return LocalBackend(
        settings.runs_dir,
        settings.command(),
        passed_on(os.environ),
        grace_seconds=settings.stop_grace_seconds,
    )


def limits(settings: LauncherSettings) -> Limits:
    """Pick the reconciler's limits from the settings."""
    return Limits(
        max_running=int(settings.effective("max_running")),
        give_up_seconds=settings.launch_give_up_seconds,
        report_grace_seconds=settings.report_grace_seconds,
        lost_grace_seconds=settings.effective("lost_grace_seconds"),
        linger_seconds=settings.linger_seconds,
    )


if __name__ == "__main__":
    main()
