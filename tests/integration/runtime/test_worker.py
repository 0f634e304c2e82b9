"""Workers as they are deployed: they stop in time and leave nothing behind, and say when only a restart can help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest
import redis

from contracts.events import DatasetDeleted
from runtime.broker import TASK, make_celery
from runtime.bus import Bell
from runtime.db import Database
from runtime.outbox import HANDLED, PENDING, Delivery, Outbox
from runtime.relay import Relay, run
from support.ports import free_port
from support.wait import until

ROOT = Path(__file__).parents[3]


class Workers:
    """Processes over one database, one Redis and one folder."""

    def __init__(self, url, redis_url, folder):
        self.db, self.folder = Database(url), folder
        self.redis_url, self.outbox = redis_url, Outbox(Bell(redis_url).ring)
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "OBJECTS_URL": "file:///unused",
            "ECHO_DIR": str(folder),
            "HEALTH_HOST": "127.0.0.1",
        }

    @contextmanager
    def relay(self):
        """Relay from a thread of the test's own process, which begins sooner than one of its own."""
        app, stop = make_celery(self.redis_url), SimpleQueue()

        def send(queue, delivery_id, envelope):
            app.send_task(TASK, args=[delivery_id, envelope], queue=queue, retry=False)

        relay = Relay(self.db, Outbox(lambda: None), send)
        mark = redis.Redis.from_url(self.redis_url)
        bell = Bell(self.redis_url)
        thread = threading.Thread(target=run, args=(relay, bell, mark, stop), kwargs={"poll_seconds": 0.2})
        thread.start()
        yield
        stop.put(None)
        thread.join()
        app.close()

    @contextmanager
    def process(self, module, **env):
        log = self.folder / f"{module}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env={**self.env, **env}, stdout=out, stderr=out
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def worker(self, **env):
        port = free_port()
        with self.process("support.echo_worker", HEALTH_PORT=str(port), **env) as process:
            process.health = lambda path="healthz": probe(f"http://127.0.0.1:{port}/{path}")
            until(lambda: process.health("readyz")[0] == 200, "the worker to be ready", seconds=60)
            yield process

    def emit(self, name):
        with self.db.write() as session:
            self.outbox.emit(session, DatasetDeleted(dataset_id=name))

    def delivery(self):
        with self.db.read() as session:
            return session.query(Delivery).order_by(Delivery.id.desc()).first()

    def began(self, process, name):
        return (self.folder / f"{process.pid}-{name}").exists()

    def handle_one(self, name):
        self.emit(name)
        until(lambda: self.delivery().state == HANDLED, f"{name} to be handled")


def probe(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, json.load(answer)["checks"]
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, json.load(answer)["checks"]
    except urllib.error.URLError:
        return 0, {}


@pytest.fixture
def workers(tmp_path, redis_url, request):
    import shutil

    shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "test.db")
    workers = Workers(f"sqlite:///{tmp_path}/test.db", redis_url, tmp_path)
    with workers.relay():
        yield workers
    workers.db.engine.dispose()


def test_a_stop_gives_up_work_that_takes_too_long_and_others_take_it_at_once(workers):
    with workers.worker(WORK_STOP_SECONDS="0.3") as first:
        workers.emit("hold-it")
        until(lambda: workers.began(first, "hold-it"), "the work to begin")
        with workers.worker() as second:
            first.send_signal(signal.SIGTERM)
            until(lambda: workers.began(second, "hold-it"), "another worker to begin")
            # Its lease would have lasted a minute; a stop is not the handler's fault, so that no attempt was used up
            assert (workers.delivery().state, workers.delivery().attempts) == (PENDING, 1)
            assert first.wait(30) == 0
            (workers.folder / "hold-it").touch()
            until(lambda: workers.delivery().state == HANDLED, "the work to end")


def test_a_stop_lets_work_at_hand_end(workers):
    with workers.worker(WORK_STOP_SECONDS="60") as process:
        workers.emit("hold-it")
        until(lambda: workers.began(process, "hold-it"), "the work to begin")
        process.send_signal(signal.SIGTERM)
        (workers.folder / "hold-it").touch()
        assert process.wait(30) == 0
    assert (workers.delivery().state, workers.delivery().attempts) == (HANDLED, 1)


def test_a_hanging_consumer_is_found_and_idle_or_busy_ones_beside_it_are_well(workers):
    with workers.worker(CANARY_SECONDS="1") as busy:
        workers.emit("hold-it")
        until(lambda: workers.began(busy, "hold-it"), "the work to begin")
        with workers.worker(CANARY_SECONDS="1") as idle, workers.worker(CANARY_SECONDS="1") as hanging:
            hanging.send_signal(signal.SIGUSR2)
            until(lambda: hanging.health()[0] == 503, "the hanging one to be found")
            assert "not even a canary" in hanging.health()[1]["canary"]
            # For longer than a period now, one had no thread for canaries and the others took each other's
            assert (busy.health()[0], idle.health()[0]) == (200, 200)
        (workers.folder / "hold-it").touch()


def test_redis_away_is_no_reason_for_a_restart(workers, redis_server):
    with workers.worker(CANARY_SECONDS="0.5") as process:
        workers.handle_one("before")
        redis_server.kill()
        until(lambda: process.health("readyz")[0] == 503, "the worker to be unready")
        assert process.health()[0] == 200
        redis_server.start()
        workers.handle_one("after")
        until(lambda: process.health("readyz")[0] == 200, "the worker to be ready again")


def test_a_handler_that_hangs_is_a_reason_for_a_restart(workers):
    with workers.worker(WORK_MAX_SECONDS="0.2") as process:
        workers.emit("hold-it")
        until(lambda: process.health()[0] == 503, "the handler to be found")
        assert "dataset.deleted.v1" in process.health()[1]["canary"]
        until(lambda: workers.delivery().lease_until == 0, "others to be let at it")
        assert workers.delivery().attempts == 1


def test_a_worker_that_would_not_keep_the_promises_does_not_start(workers):
    wrong = {"REMAP_SIGTERM": "SIGINT", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    with workers.process("support.echo_worker", **wrong) as process:
        assert process.wait(60) == 1
    told = (workers.folder / "support.echo_worker.log").read_text()
    assert "REMAP_SIGTERM is 'SIGINT'" in told
    assert "leads elsewhere than REDIS_URL" in told
