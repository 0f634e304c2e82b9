"""Writes services/api/metrics_openapi.json, the metrics service's part of /api/openapi.json, or checks that it is up to date.

The api answers for the whole API and cannot import the other service. `python scripts/metrics_openapi.py --write` rewrites it.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask_smorest import Api
from generated import ROOT, keep_file

from services.metrics import app as metrics

PATH = ROOT / "services/api/metrics_openapi.json"
NOTHING: Any = None


def document() -> dict[str, Any]:
    """Give the metrics service's document; nothing is connected to."""
    app = Flask("metrics")
    app.config.update(metrics.DESCRIPTION)
    api = Api(app)
    for blueprint in metrics.BLUEPRINTS:
        api.register_blueprint(blueprint(NOTHING))
    return metrics.described(api)


if __name__ == "__main__":
    keep_file(PATH, json.dumps(document(), indent=1) + "\n")
