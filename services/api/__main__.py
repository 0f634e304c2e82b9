"""`python -m services.api --bind HOST:PORT` serves the REST API."""

from __future__ import annotations

import argparse

from runtime import log
from runtime.serve import serve
from runtime.settings import load
from services.api.app import create_app
from services.api.settings import ApiSettings


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="services.api")
    parser.add_argument("--bind", default="0.0.0.0:8000", help="host:port to listen on")
    arguments = parser.parse_args()
    settings = load(ApiSettings)
    log.configure("api", settings.log_level, settings.log_format)
    serve(
        lambda: create_app(settings),
        bind=arguments.bind,
        workers=settings.web_workers,
        threads=settings.web_threads,
        stop_seconds=settings.web_stop_seconds,
    )


if __name__ == "__main__":
    main()
