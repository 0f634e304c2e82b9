"""Messages a second of one and several relays, beside the same relay that takes each delivery in a transaction of its own.

The relays are threads with connections of their own, and the broker is left out: it is the database that they share.

`python benchmarks/relay.py [DATABASE_URL [EVENTS]]`; by default SQLite in a temporary folder. The database is emptied.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import delete, insert, select, update

from contracts.events import DatasetDeleted, wrap
from runtime.db import Database, unix_now
from runtime.outbox import PENDING, Delivery, EventRow, Outbox
from runtime.relay import Relay

RELAYS = (1, 2)


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


def measure(kind: type[Relay], relays: int, url: str, events: int) -> tuple[float, int]:
    """Publish everything by so many relays; gives messages a second, and how many came twice."""
    sent: list[int] = []

    def drain(db: Database) -> None:
        relay = kind(db, Outbox(lambda: None), lambda _queue, number, _envelope: sent.append(number))
        while relay.publish_due():
            pass

    dbs = [Database(url) for _ in range(relays)]
    begun = time.monotonic()
    with ThreadPoolExecutor(relays) as threads:
        list(threads.map(drain, dbs))
    seconds = time.monotonic() - begun
    for db in dbs:
        db.engine.dispose()
    assert len(set(sent)) == events
    return len(sent) / seconds, len(sent) - events


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(name) / 'relay.db'}"
        events = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
        db = Database(url)
        db.migrate()
        for relays in RELAYS:
            rates = {}
            for kind in (OneByOne, Relay):
                fill(db, events)
                rates[kind], twice = measure(kind, relays, url, events)
                print(
                    f"{relays} relays, {kind.__name__}: {rates[kind]:.0f} messages/s, {twice} twice",
                    flush=True,
                )
            print(f"{relays} relays: in batches {rates[Relay] / rates[OneByOne]:.1f}×", flush=True)


if __name__ == "__main__":
    main()
