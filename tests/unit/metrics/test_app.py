"""The app when what it stands on is away."""

from __future__ import annotations

import shutil
import time

import pytest
from sqlalchemy import text

from contracts.callback import TOKEN_HEADER, sign_token
from services.metrics.app import EXTENSION, create_app
from services.metrics.models import Job
from services.metrics.settings import MetricsSettings
from support.access import HEADERS

FIXED = "f" * 32


@pytest.fixture
def settings(tmp_path):
    return MetricsSettings(
        database_url=f"sqlite:///{tmp_path}/empty.db",
        redis_url="redis://127.0.0.1:1/0",
        objects_url=f"file://{tmp_path}",
        callback_root_secret="r" * 32,
        callback_secret=FIXED,
    )


@pytest.fixture
def client(settings):
    """The app without Redis, on a database without tables."""
    app = create_app(settings)
    yield app.test_client()
    app.extensions[EXTENSION].close()


def test_a_database_that_cannot_serve_is_a_503_so_that_the_trainer_tries_again(client):
    headers = {TOKEN_HEADER: sign_token("j", int(time.time()) + 900, FIXED)}
    answer = client.patch("/api/training_jobs/j/metrics/", data=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.content_type == "application/problem+json"


def test_without_its_tables_a_stream_is_a_503(client):
    assert client.get("/api/training_jobs/j/events/", headers=HEADERS).status_code == 503


def test_a_stream_whose_history_cannot_be_read_ends_so_that_its_viewer_comes_back(
    tmp_path, settings, request
):
    shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "empty.db")
    app = create_app(settings)
    with app.extensions[EXTENSION].db.write() as session:
        session.add(Job(job_id="j"))
        session.flush()
        session.execute(text("DROP TABLE metrics_items"))
    answer = app.test_client().get("/api/training_jobs/j/events/", headers=HEADERS)
    assert answer.data == b"retry: 2000\n\n"
    app.extensions[EXTENSION].close()


def test_without_redis_the_service_is_ready(client):
    assert client.get("/readyz").status_code == 200
    assert client.get("/healthz").json == {"status": "ok"}
