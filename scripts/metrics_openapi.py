"""Writes services/api/metrics_openapi.json, the metrics service's part of /api/openapi.json, or checks that it is up to date.

The api answers for the whole API and cannot import the other service. `python scripts/metrics_openapi.py --write` rewrites it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from flask_smorest import Api

from services.metrics import app as metrics
from services.metrics import routes

PATH = Path(__file__).parents[1] / "services/api/metrics_openapi.json"
NOTHING: Any = None


def document() -> dict[str, Any]:
    """Give the metrics service's document; nothing is connected to."""
    app = Flask("metrics")
    app.config.update(metrics.DESCRIPTION)
    api = Api(app)
    api.register_blueprint(routes.blueprint(NOTHING))
    return metrics.described(api)


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the file instead of checking it")
    text = json.dumps(document(), indent=1) + "\n"
    if parser.parse_args().write:
        PATH.write_text(text, "utf-8")
    elif not PATH.exists() or PATH.read_text("utf-8") != text:
        sys.exit(f"{PATH.name} is out of date; run `make docs`")


if __name__ == "__main__":
    main()
