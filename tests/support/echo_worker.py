"""A small real worker for tests, on the queue ingest.staging: what a deletion asks for is done in the folder ECHO_DIR.

The data set's id says what its handler does: "hold-…" waits for a file of that name, anything else ends at once.
SIGUSR2 makes the consumer hang, as a lost wake-up of its event loop would, while the rest of the process goes on.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from contracts.topology import STAGING
from runtime import log, worker
from runtime.bus import Bell, Consumer
from runtime.db import Database
from runtime.outbox import Outbox
from runtime.settings import Settings, load
from runtime.telemetry import Telemetry


def main() -> None:
    settings = load(Settings)
    log.configure("echo", settings.log_level, settings.log_format)
    folder = Path(os.environ["ECHO_DIR"])

    def handle(event, work):
        (folder / f"{os.getpid()}-{event.dataset_id}").touch()
        while event.dataset_id.startswith("hold-") and not (folder / event.dataset_id).exists():
            time.sleep(0.02)
        with work.finish():
            pass

    signal.signal(signal.SIGUSR2, lambda *_: threading.Event().wait())
    db, bell = Database(settings.database_url), Bell(settings.redis_url)
    consumer = Consumer(
        db,
        Outbox(bell.ring),
        STAGING,
        {"dataset.deleted.v1": handle},
        work_max_seconds=settings.work_max_seconds,
    )
    telemetry = Telemetry.of("echo", settings)
    worker.run(settings, STAGING, consumer, bell, {"database": db.check}, telemetry, concurrency=1)


if __name__ == "__main__":
    main()
