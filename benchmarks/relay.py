"""Messages a second of one and several relays, beside the same relay that takes each delivery in a transaction of its own.

`python benchmarks/relay.py [DATABASE_URL [EVENTS]]`; by default SQLite in a temporary folder. The database is emptied.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import delete, insert, select, update

from cli.ports import free_ports
from cli.redis_server import find
from contracts.events import DatasetDeleted, wrap
from runtime.broker import TASK, make_celery
from runtime.db import Database, unix_now
from runtime.outbox import PENDING, Delivery, EventRow, Outbox
from runtime.relay import Relay

RELAYS = (1, 2, 4)


class OneByOne(Relay):
    """What the relay would be without batches: it looks at a hundred rows, and takes each by compare-and-set."""

    def publish_due(self) -> int:
        """Publish a batch, a transaction for each message."""
        now = unix_now()
        with self._db.read() as session:
            due = session.execute(
                select(Delivery.id, Delivery.due_at, Delivery.queue, EventRow.envelope)
                .join(EventRow, EventRow.id == Delivery.event_id)
                .where(Delivery.state == PENDING, Delivery.due_at <= now, Delivery.lease_until < now)
                .order_by(Delivery.id)
                .limit(self._batch)
            ).all()
        for row in due:
            with self._db.write() as session:
                taken = session.execute(
                    update(Delivery)
                    .where(Delivery.id == row.id, Delivery.due_at == row.due_at)
                    .values(due_at=now + 30, published=1)
                    .returning(Delivery.id)
                ).first()
            if taken:
                self._send(row.queue, row.id, row.envelope)
        return len(due)  # not `sent`: others were quicker with some, and more may be due


def fill(db: Database, events: int) -> None:
    envelopes = [wrap(DatasetDeleted(dataset_id=str(number))) for number in range(events)]
    now = unix_now()
    with db.write() as session:
        session.execute(delete(Delivery))
        session.execute(delete(EventRow))
        session.execute(
            insert(EventRow),
            [{"id": str(e.id), "envelope": e.model_dump(mode="json"), "created_at": now} for e in envelopes],
        )
        session.execute(
            insert(Delivery),
            [{"event_id": str(e.id), "queue": "ingest.staging", "due_at": now} for e in envelopes],
        )


def work(kind: type[Relay], url: str, redis_url: str, barrier: Any, spans: Any) -> None:
    db, app = Database(url), make_celery(redis_url)

    def send(queue: str, delivery_id: int, envelope: dict[str, Any]) -> None:
        app.send_task(TASK, args=[delivery_id, envelope], queue=queue, retry=False)

    send("warm-up", 0, {})
    relay = kind(db, Outbox(lambda: None), send)
    barrier.wait()
    begun = time.monotonic()
    while relay.publish_due():
        pass
    spans.put((begun, time.monotonic()))


def measure(kind: type[Relay], relays: int, url: str, redis_url: str, events: int) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    barrier, spans = context.Barrier(relays), context.Queue()
    workers = [
        context.Process(target=work, args=(kind, url, redis_url, barrier, spans)) for _ in range(relays)
    ]
    for worker in workers:
        worker.start()
    times = [spans.get() for _ in workers]
    for worker in workers:
        worker.join()
    with closing(redis.Redis.from_url(redis_url)) as client:
        sent = client.llen("ingest.staging")
        client.flushall()
    return sent / (max(end for _, end in times) - min(begin for begin, _ in times)), sent - events


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(name) / 'relay.db'}"
        events = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
        (port,) = free_ports(1)
        server = subprocess.Popen(
            [find(), "--port", str(port), "--save", "", "--dir", name], stdout=subprocess.DEVNULL
        )
        try:
            db = Database(url)
            db.migrate()
            for relays in RELAYS:
                rates = {}
                for kind in (OneByOne, Relay):
                    fill(db, events)
                    rate, more = measure(kind, relays, url, f"redis://127.0.0.1:{port}/0", events)
                    rates[kind] = rate
                    print(f"{relays} relays, {kind.__name__}: {rate:.0f} messages/s, {more} twice")
                print(f"{relays} relays: batches {rates[Relay] / rates[OneByOne]:.1f}×")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
