"""The fake API's predictions: kept as asked, and ended by the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser.fake_api import JSON, problem
from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from browser.fake_api import FakePlatform


def routes(app: Flask, platform: FakePlatform) -> None:
    """Add the routes."""

    @app.post("/predictions/")
    def ask() -> Any:
        wish = request.json
        platform.asked.append(wish)
        if platform.refuse_prediction:
            return problem(422, "Invalid", platform.refuse_prediction)
        return jsonify(platform.predictions[add(platform, wish)]), 202

    @app.get("/predictions/")
    def predictions() -> Response:
        items = [each for each in platform.predictions.values() if each["job_id"] == request.args["job"]]
        size = int(request.args.get("page_size", 50))
        return jsonify(items=items[::-1][:size], total=len(items), page=1, page_size=size, next_cursor=None)

    @app.get("/predictions/<prediction_id>/")
    def prediction(prediction_id: str) -> Any:
        found = platform.predictions.get(prediction_id)
        return (
            jsonify(found)
            if found
            else problem(404, "NotFound", f"There is no prediction '{prediction_id}'.")
        )

    @app.get("/predictions/<prediction_id>/rows/")
    def predicted(prediction_id: str) -> Response:
        return jsonify(platform.predicted[prediction_id])

    @app.get("/predictions/<prediction_id>/predictions.csv")
    def prediction_file(prediction_id: str) -> Response:
        found = platform.predicted[prediction_id]
        lines = [",".join(row) for row in [found["columns"], *found["rows"]]]
        return Response("\n".join(lines) + "\n", mimetype="application/octet-stream")


def add(platform: FakePlatform, wish: JSON) -> str:
    """Add a prediction that runs; gives its id."""
    prediction_id = f"p{len(platform.predictions) + 1}"
    platform.predictions[prediction_id] = {
        "id": prediction_id, "job_id": wish["job_id"], "dataset_id": wish.get("dataset_id"), "state": "running", "reason": None,
        "name": "1 row" if wish.get("rows") else platform.datasets[wish["dataset_id"]]["name"], "top_k": None, "size": 0,
        "contributions": True, "rows": 0, "notes": [], "created_at": platform.jobs[wish["job_id"]]["created_at"],
        "finished_at": None,
    }  # fmt: skip
    return prediction_id


def answer(rows: int = 1, labels: tuple[str, ...] = ("cat", "dog", "bird")) -> JSON:
    """Make up what a model says of some rows."""
    columns = ["row", "prediction", "probability", *(f"p({label})" for label in labels)]
    columns += ["contribution(image)", "contribution(text)", "contribution(tabular)"]
    share = 0.3 / (len(labels) - 1)
    found = [
        [str(n), labels[n % len(labels)], "0.7", *("0.7" if label == labels[n % len(labels)] else f"{share:.4f}" for label in labels),
         "1.25", "-0.31", "0.08"]
        for n in range(rows)
    ]  # fmt: skip
    return {"columns": columns, "rows": found}
