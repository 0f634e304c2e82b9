"""Builds the UI: a Dash app that knows the platform only by its public REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from dash import Dash
from flask import Flask, Response, abort, jsonify, request

from client import Api, Refused
from ui import access, bundles, compression, headers, routing, shell, sign_in
from ui.pages import account, compare, dataset, datasets, home, job, jobs, new_job, try_model

if TYPE_CHECKING:
    from ui.settings import UiSettings

EARLY_SECONDS = 1.0  # without the page itself, its address is answered no later than that


class _App(Dash):
    """A Dash whose answer to an address holds the page already, to be seen until Dash has started."""

    early_api: Api

    def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]
        if not access.has_proof():
            abort(sign_in.needed())
        index: str = super().interpolate_index(**parts)  # type: ignore[no-untyped-call]
        try:
            title, page = routing.early(self.early_api, request.path, request.query_string.decode("latin-1"))
        except Refused:
            abort(sign_in.needed())
        return index.replace("{title}", f"{title} · Triptych").replace("{page}", page)


def create_app(settings: UiSettings) -> Dash:
    """Build the app; its WSGI server is `.server`.

    Args:
        settings: Where the API is, and how long to wait for it.
    """
    # follow_redirects: an artifact may be answered with a presigned URL
    client = httpx.Client(
        base_url=settings.api_base,
        timeout=settings.api_timeout_seconds,
        follow_redirects=True,
        auth=access.forward,
        cookies=access.no_cookies(),
    )
    api = Api(client)
    files = bundles.read()
    app = _App(
        "ui",
        title="Triptych",
        update_title="",  # the title stays the page's own
        serve_locally=True,
        suppress_callback_exceptions=True,  # pages come and go
        enable_mcp=False,
        include_assets_files=False,  # they are served as bundles
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        index_string=shell.index(files),
    )
    eager = httpx.Client(
        base_url=settings.api_base,
        timeout=min(EARLY_SECONDS, settings.api_timeout_seconds),
        follow_redirects=True,
        auth=access.forward,
        cookies=access.no_cookies(),
    )
    app.early_api = Api(eager)
    app.layout = shell.shell
    access.install(app.server)
    bundles.install(app.server, files)
    compression.install(app.server)
    sign_in.register(app.server, api, files)
    routing.register(app, api)
    for page in (home, datasets, dataset, new_job, jobs, compare, job, try_model, account):
        page.register(app, api)
    headers.install(app, shell.early(files), settings)
    _add_probes(app.server, api)
    return app


def _add_probes(server: Flask, api: Api) -> None:
    @server.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @server.get("/readyz")
    def readyz() -> tuple[Response, int]:
        if api.healthy():
            return jsonify(status="ok", checks={"api": "ok"}), 200
        return jsonify(status="unavailable", checks={"api": "does not answer"}), 503
