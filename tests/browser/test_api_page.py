"""The page that describes the REST API works from this host alone, under its own Content-Security-Policy."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from runtime.db import Database
from services.api.app import create_app
from services.api.settings import ApiSettings
from support.access import HEADERS, migrate
from support.ports import free_port


@pytest.fixture
def origin(tmp_path):
    """The api, whose database nobody asks, in the UI's place."""
    port = free_port()
    settings = ApiSettings(
        database_url=f"sqlite:///{tmp_path}/none.db",
        redis_url="redis://127.0.0.1:1/0",
        objects_url=tmp_path.as_uri(),
        spool_dir=tmp_path,
    )
    db = Database(settings.database_url)
    migrate(db)
    db.engine.dispose()
    app = create_app(settings)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()
    thread.join()
    server.server_close()
    app.extensions["triptych"].db.engine.dispose()


@pytest.mark.long
def test_it_shows_every_call(page, origin):
    page.set_extra_http_headers(HEADERS)  # as the gateway adds them
    page.goto(f"{origin}/api/docs/", wait_until="load")
    expect(page.get_by_role("heading", name="Triptych")).to_be_visible()
    for call in ("/api/training_jobs/{job_id}/start/", "/api/metrics/curves/", "/api/webhooks/"):
        expect(page.locator(f'[data-path="{call}"]').first).to_be_visible()
    page.locator('[data-path="/api/machines/"]').click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
