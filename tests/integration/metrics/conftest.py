"""The metrics service, in this process and in processes of its own."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from integration.metrics.running import ROOT, Service

from contracts import topology
from runtime.announcer import Announcer
from runtime.bus import Consumer
from runtime.db import Database
from runtime.outbox import HANDLED, Delivery, Outbox
from services.metrics.app import EXTENSION, create_app
from services.metrics.handlers import Handlers
from services.metrics.publisher import Publisher
from services.metrics.settings import MetricsSettings
from support.access import ENVIRON, migrate
from support.redis_server import RedisServer, redis_binary

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def app(database, migrated_url, tmp_path):
    """The app without Redis, for everything that does not need to be live."""
    settings = MetricsSettings(
        database_url=migrated_url,
        redis_url=NO_REDIS,
        objects_url=f"file://{tmp_path}",
        callback_root_secret=ROOT,
        callback_secret="f" * 32,
        max_body_bytes=200_000,
        history_max_items=50,
        callback_grace_seconds=0,
    )
    flask_app = create_app(settings)
    yield flask_app
    flask_app.extensions[EXTENSION].close()


def client_of(app):
    """Make a client with the key that may do everything."""
    client = app.test_client()
    client.environ_base.update(ENVIRON)
    return client


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def handle(database):
    """Deliver an event to the queue `metrics` and handle it."""
    outbox = Outbox(lambda: None)
    announcer = Announcer(NO_REDIS, timeout_seconds=0.1, pause_seconds=60)
    publisher = Publisher(announcer)
    consumer = Consumer(database, outbox, topology.METRICS, Handlers(publisher).table())

    def deliver(event):
        with database.write() as session:
            outbox.emit(session, event)
        with database.read() as session:
            last = (
                session.query(Delivery).filter_by(queue=topology.METRICS).order_by(Delivery.id.desc()).first()
            )
        consumer.receive(last.id)
        with database.read() as session:
            assert session.get(Delivery, last.id).state == HANDLED

    yield deliver
    announcer.close()


@pytest.fixture
def start(database, migrated_url, redis_server, tmp_path):
    """Start services on one database and one Redis; they are killed at the end."""
    with ExitStack() as stack:

        def begin(**settings):
            service = Service(tmp_path, migrated_url, redis_server.url, **settings)
            stack.callback(service.close)
            service.start()
            return service

        yield begin


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One running service for tests that use a job of their own each and leave it running."""
    if redis_binary() is None:
        pytest.skip("no redis-server on this machine")
    folder = tmp_path_factory.mktemp("shared")
    url = f"sqlite:///{folder}/test.db"
    db = Database(url)
    migrate(db)
    db.engine.dispose()
    redis_server = RedisServer(folder)
    redis_server.start()
    service = Service(folder, url, redis_server.url)
    service.start()
    yield service
    service.close()
    redis_server.kill()
