"""Every row of the topology has a handler, and every handler understands the golden messages of its events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.events import Envelope
from contracts.prediction import PredictionAnswer
from contracts.topology import API, LAUNCHER, METRICS, PREDICTOR, SCHEMA, STAGING, TOPOLOGY
from runtime.bus import Consumer
from runtime.outbox import HANDLED, Delivery, Outbox
from runtime.storage import open_store
from services.api.handlers import Handlers as ApiHandlers
from services.ingest.handlers import schema_handlers, staging_handlers
from services.ingest.staging import Limits
from services.launcher.handlers import Handlers as LauncherHandlers
from services.metrics.handlers import Handlers as MetricsHandlers
from services.predictor.handlers import handlers as predictor_handlers

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"


class Silent:
    """Stands for whatever tells viewers; nobody looks here."""

    def publish(self, *_: object) -> None:
        pass


def tables(tmp_path):
    store = open_store(f"file://{tmp_path}/objects")
    store.put_bytes(
        "datasets/0f8fad5bd9cb469fa165708678d90042/schema.json",
        b'{"dialect":{"encoding":"utf-8"},"rows":0,"complete":true,"columns":[]}',
    )
    return {
        API: ApiHandlers(store, tmp_path / "spool").table(),
        SCHEMA: schema_handlers(tmp_path / "spool", store),
        STAGING: staging_handlers(tmp_path / "spool", store, Limits(), 1.0),
        LAUNCHER: LauncherHandlers(lambda: None, lambda: None).table(),
        METRICS: MetricsHandlers(Silent()).table(),
        PREDICTOR: predictor_handlers(lambda _artifacts, _task: PredictionAnswer(rows=1)),
    }


def test_each_queue_handles_exactly_what_it_subscribes_to(tmp_path):
    for queue, handlers in tables(tmp_path).items():
        assert set(handlers) == {event for event, queues in TOPOLOGY.items() if queue in queues}


@pytest.mark.parametrize(
    ("event", "queue"), [(event, queue) for event, queues in TOPOLOGY.items() for queue in queues]
)
def test_each_subscriber_handles_the_golden_message(database, tmp_path, event, queue):
    """The data set and job it speaks of are unknown here, which every subscriber must bear: they may be deleted."""
    raw = (EXAMPLES / f"{event}.json").read_text().replace("s3://triptych/", f"file://{tmp_path}/objects/")
    golden = Envelope.model_validate(json.loads(raw)).decode()
    outbox = Outbox(lambda: None)
    with database.write() as session:
        outbox.emit(session, golden)
        row = session.query(Delivery).filter_by(queue=queue).one()
    Consumer(database, outbox, queue, tables(tmp_path)[queue]).receive(row.id)
    with database.read() as session:
        settled = session.get(Delivery, row.id)
    assert (settled.state, settled.last_error) == (HANDLED, "")
