"""`python -m services.api.worker`: hears what the other services did, and removes what nobody needs any more."""

from __future__ import annotations

from contracts.topology import API
from runtime import log, worker
from runtime.announcer import Announcer
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.loop import Loop
from runtime.outbox import Outbox
from runtime.settings import load
from runtime.storage import open_store
from runtime.telemetry import Telemetry
from services.api import audit, figures, idempotency, webhooks
from services.api.changes import Changes
from services.api.cleaning import Cleaner
from services.api.handlers import Handlers
from services.api.settings import ApiSettings
from services.api.sweeping import sweep
from services.api.webhook_sender import WebhookSender

_SWEEP_SECONDS = 60
_FORGET_SECONDS = 600
_SEND_SECONDS = 2  # between two looks for messages that are due
_SENDER_STALE_SECONDS = 600
_CLEANER_STALE_SECONDS = 6 * 3600


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
    db.watchers.append(Changes(Announcer.of(settings)).watch)
    telemetry = Telemetry.of("api-worker", settings)
    telemetry.registry.read("database", figures.GAUGES, lambda: figures.of(db))
    handlers = Handlers(store, settings.spool_dir, retry_pause_seconds=settings.job_retry_seconds)
    consumer = Consumer(
        db,
        Outbox(bell.ring),
        API,
        telemetry.handlers(API, handlers.table()),
        work_max_seconds=settings.work_max_seconds,
        wait_seconds=settings.store_wait_hours * 3600,
    )
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    sweeping = Loop(
        "upload sweeper",
        telemetry.rounds(
            "upload sweeper", lambda: sweep(db, settings.spool_dir, settings.upload_hours, store)
        ),
        seconds=_SWEEP_SECONDS,
    )

    def forget() -> None:
        with db.write() as session:
            idempotency.forget(session)
            audit.forget(session, settings.audit_keep_days)
            webhooks.forget(session, settings.webhook_keep_days)

    forgetting = Loop(
        "forgetter",
        telemetry.rounds("forgetter", forget),
        seconds=_FORGET_SECONDS,
        stale_seconds=_CLEANER_STALE_SECONDS,
    )
    sender = WebhookSender(db, settings)
    sending = Loop(
        "webhook sender",
        telemetry.rounds("webhook sender", sender.round),
        seconds=_SEND_SECONDS,
        stale_seconds=_SENDER_STALE_SECONDS,
    )
    cleaner = Cleaner(db, store, settings)
    # Looks every minute whether a round is due: the worker that did the last one may be gone. A round may take long
    cleaning = Loop(
        "cleaner",
        telemetry.rounds("cleaner", cleaner.round_if_due),
        seconds=_SWEEP_SECONDS,
        stale_seconds=_CLEANER_STALE_SECONDS,
    )
    checks = {
        "database": db.check,
        "objects": store.check,
        "upload sweeper": sweeping.check,
        "cleaner": cleaning.check,
        "forgetter": forgetting.check,
        "webhook sender": sending.check,
    }
    sweeping.start()
    cleaning.start()
    forgetting.start()
    sending.start()
    try:
        worker.run(settings, API, consumer, bell, checks, telemetry, concurrency=settings.worker_concurrency)
    finally:
        forgetting.stop()
        sending.stop()
        sweeping.stop()  # not the cleaner: its round may be long, and one that is cut short loses nothing


if __name__ == "__main__":
    main()
