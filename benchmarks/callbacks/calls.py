"""Makes and signs what senders send, before the clock starts."""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import UTC, datetime
from typing import Any

from contracts.callback import CallbackBody, Point, derive_secret, signed_headers, to_json

Request = tuple[str, str, bytes, dict[str, str]]  # method, path, body, headers
ROOT_SECRET = "benchmark" * 5


def our_requests(_origin: str, job: str, count: int) -> list[Request]:
    """Make callbacks of one point each, signed."""
    secret, now = derive_secret(ROOT_SECRET, job, 1), datetime.now(UTC)
    made = []
    for step in range(count):
        point = Point(
            split="train", step=step, seq=step, epoch=step / 100, at=now, values={"loss": 1 / (1 + step)}
        )
        raw = to_json(CallbackBody(points=[point]))
        headers = signed_headers(job, 1, raw, secret, now=int(time.time()), ttl=900)
        made.append(
            (
                "PATCH",
                f"/api/training_jobs/{job}/metrics/",
                raw,
                {**headers, "Content-Type": "application/json"},
            )
        )
    return made


def mlflow_requests(origin: str, job: str, count: int) -> list[Request]:
    """Make a run, and calls that log one metric each."""

    def ask(path: str, **body: object) -> dict[str, Any]:
        asked = urllib.request.Request(  # noqa: S310 - our own server
            f"{origin}/api/2.0/mlflow/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - as above
            return dict(json.load(answer))

    run_id = ask("runs/create", experiment_id="0", run_name=job, start_time=0)["run"]["info"]["run_id"]
    made = []
    for step in range(count):
        call = {
            "run_id": run_id,
            "key": "loss",
            "value": 1 / (1 + step),
            "timestamp": 1000 + step,
            "step": step,
        }
        raw = json.dumps(call).encode()
        made.append(("POST", "/api/2.0/mlflow/runs/log-metric", raw, {"Content-Type": "application/json"}))
    return made
