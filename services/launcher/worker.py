"""`python -m services.launcher.worker`: hears of jobs to launch and to cancel, and looks after those that run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from contracts.live import LOG_GREW, channel
from contracts.topology import LAUNCHER
from runtime import log, worker
from runtime.announcer import Announcer
from runtime.bus import Bell, Consumer
from runtime.children import passed_on
from runtime.db import Database
from runtime.loop import Loop
from runtime.outbox import Outbox
from runtime.settings import InvalidSettings, load
from runtime.storage import open_store
from runtime.telemetry import Telemetry
from services.launcher import figures
from services.launcher.backends import local
from services.launcher.clock import Clock
from services.launcher.endings import Endings
from services.launcher.environment import Environments
from services.launcher.forgetting import Forgetting
from services.launcher.handlers import Handlers
from services.launcher.joblogs import JobLogs
from services.launcher.leftovers import Leftovers
from services.launcher.lending import LendingBackend, Renewals
from services.launcher.orphans import Orphans
from services.launcher.reconciler import Reconciler
from services.launcher.results import Results
from services.launcher.settings import LauncherSettings
from services.launcher.starting import Starter
from services.launcher.verdicts import Limits
from services.launcher.watched import WatchedBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runtime.storage import ObjectStore
    from services.launcher.backend import Backend

_SWEEP_SECONDS = 3600
_RENEWED_TIMES = 4  # while access is good; trainers fetch newer a quarter of an hour before it lapses


def main() -> None:
    """Work until SIGTERM with the back end that the settings name."""
    settings = load(LauncherSettings)
    log.configure("launcher", settings.log_level, settings.log_format)
    store = open_store(
        settings.objects_url,
        attempts=settings.objects_attempts,
        timeout_seconds=settings.objects_timeout_seconds,
    )
    serve(settings, store, make_backend(settings, store))


def serve(settings: LauncherSettings, store: ObjectStore, runner: Backend) -> None:
    """Wire the worker over a back end and serve its queue until SIGTERM. What runs goes on running."""
    db, bell = Database(settings.database_url), Bell(settings.redis_url)
    outbox = Outbox(bell.ring)
    telemetry = Telemetry.of("launcher", settings)
    lending = make_lending(settings, store, runner)
    backend = WatchedBackend(lending or runner, telemetry, settings.otel_exporter_otlp_endpoint)
    telemetry.registry.read("database", figures.GAUGES, lambda: figures.of(db, backend.name))
    environments = Environments(
        settings.trainer_api_base,
        settings.pretrained_uri,
        settings.callback_root_secret.get_secret_value(),
        settings.log_format,
        settings.log_level,
    )
    announcer = Announcer.of(settings)
    logs = JobLogs(
        db,
        backend,
        store,
        tail_bytes=settings.log_tail_bytes,
        at_a_time=settings.provider_calls,
        tell=lambda job_id: announcer.announce([(channel(job_id), LOG_GREW)]),
    )
    allowed, clock, forgetting = limits(settings), Clock(), Forgetting(backend)
    endings = Endings(outbox, backend, Results(store), clock)
    starter = Starter(db, outbox, backend, environments.of, endings, forgetting, allowed, clock)
    reconciler = Reconciler(db, backend, logs, endings, forgetting, allowed, clock)

    def look(handles: Collection[str] | None = None) -> None:
        reconciler.look(handles)
        starting.wake()  # it may have made room

    # Apart, so that neither many launches hold up the look at what runs, nor that the launches
    pause = settings.effective("reconcile_seconds")
    starting = Loop("starter", telemetry.rounds("starter", starter.start_waiting), seconds=pause)
    looking = Loop("reconciler", telemetry.rounds("reconciler", look), seconds=pause)
    copying = Loop(
        "log copier", telemetry.rounds("log copier", logs.copy_all), seconds=settings.effective("log_seconds")
    )
    consumer = Consumer(
        db,
        outbox,
        LAUNCHER,
        telemetry.handlers(LAUNCHER, Handlers(starting.wake, looking.wake).table()),
        work_max_seconds=settings.work_max_seconds,
        wait_seconds=settings.store_wait_hours * 3600,
    )
    # At the start, and again; of no weight for readiness
    telling = Loop("orphans", Orphans(db, backend.name).tell, seconds=_SWEEP_SECONDS)
    loops = [starting, looking, copying, telling]
    checks = {
        "database": db.check,
        "objects": store.check,
        "starter": starting.check,
        "reconciler": looking.check,
        "log copier": copying.check,
    }
    if settings.launcher == "ecs" and settings.ecs_events_queue_url:
        loops.append(listening(settings.ecs_events_queue_url, look, telemetry))  # of no weight for readiness
    if settings.runs_dir is not None and settings.launcher == "local":
        leftovers = Leftovers(db, backend, settings.runs_dir, keep_days=settings.keep_runs_days)
        sweep = telemetry.rounds("run sweeper", leftovers.sweep)
        loops.append(Loop("run sweeper", sweep, seconds=_SWEEP_SECONDS))
        checks["run sweeper"] = loops[-1].check
    if lending is not None:
        renewals = telemetry.rounds("renewals", Renewals(db, lending, environments.of).renew_all)
        loops.append(Loop("renewals", renewals, seconds=settings.trainer_role_seconds / _RENEWED_TIMES))
        checks["renewals"] = loops[-1].check
    for loop in loops:
        loop.start()
    try:
        worker.run(
            settings, LAUNCHER, consumer, bell, checks, telemetry, concurrency=settings.worker_concurrency
        )
    finally:
        for loop in loops:
            loop.stop()
        announcer.close()


def listening(queue_url: str, look: Callable[[Collection[str]], None], telemetry: Telemetry) -> Loop:
    """Make the loop that hears of changed tasks; after an error it pauses for a second."""
    from services.launcher.notices import TaskNotices, open_queue  # noqa: PLC0415 - boto3, as below

    notices = TaskNotices(open_queue(), queue_url, look)
    return Loop("notices", telemetry.rounds("notices", notices.hear), seconds=1)


def make_lending(settings: LauncherSettings, store: ObjectStore, runner: Backend) -> LendingBackend | None:
    """Make what lends access to objects, where a role is set."""
    if not settings.trainer_role_arn:
        return None
    from services.launcher.trainer_role import open_role  # noqa: PLC0415 - boto3, as below

    role = open_role(settings.trainer_role_arn, settings.trainer_role_seconds)
    return LendingBackend(runner, role, store)


def make_backend(settings: LauncherSettings, store: ObjectStore) -> Backend:
    """Make the back end that LAUNCHER names."""
    if settings.launcher == "ecs":
        # boto3 takes half a second and 40 MB to import: only those who use it pay
        from services.launcher.backends.ecs import EcsBackend, from_settings  # noqa: PLC0415
        from services.launcher.specs import SpecObjects  # noqa: PLC0415

        backend: EcsBackend = from_settings(settings, SpecObjects(store))
        return backend
    if settings.launcher == "kubernetes":
        try:
            from services.launcher.backends import kubernetes  # noqa: PLC0415 - an extra of its own
        except ModuleNotFoundError as error:
            raise InvalidSettings(
                f"LAUNCHER is kubernetes, which needs `pip install 'triptych[launcher-kubernetes]'`: {error}"
            ) from None
        return kubernetes.from_settings(settings)
    if settings.runs_dir is None:
        raise ValueError("RUNS_DIR is not set")  # the settings' own check comes first
    return local.LocalBackend(
        settings.runs_dir,
        settings.command(),
        passed_on(os.environ, aws_access=not settings.trainer_role_arn),
        grace_seconds=settings.stop_grace_seconds,
        limits=local.Limits(
            settings.trainer_nice, settings.trainer_cpu_seconds, settings.trainer_address_space_mb
        ),
    )


def limits(settings: LauncherSettings) -> Limits:
    """Pick the reconciler's limits from the settings."""
    return Limits(
        max_running=int(settings.effective("max_running")),
        give_up_seconds=settings.launch_give_up_seconds,
        report_grace_seconds=settings.report_grace_seconds,
        lost_grace_seconds=settings.effective("lost_grace_seconds"),
        linger_seconds=settings.linger_seconds,
        at_a_time=settings.provider_calls,
    )


if __name__ == "__main__":
    main()
