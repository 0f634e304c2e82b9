"""`python -m services.metrics --bind HOST:PORT`: serves callbacks, history and event streams."""

from __future__ import annotations

import argparse

from runtime import log
from runtime.settings import load
from services.metrics import server
from services.metrics.settings import MetricsSettings


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m services.metrics", description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1:8002", metavar="HOST:PORT", help="default %(default)s")
    bind = parser.parse_args().bind
    settings = load(MetricsSettings)
    log.configure("metrics", settings.log_level, settings.log_format)
    server.run(settings, bind)


if __name__ == "__main__":
    main()
