"""The fake API's routes, one for each call that the UI makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser import fake_data, fake_predictions
from browser.fake_access import add_access
from browser.fake_api import ENDED, JSON, FakePlatform, picture, problem
from browser.fake_changes import add_changes
from browser.fake_uploads import add_store, add_uploads
from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from collections.abc import Iterable

SUMMARY = (
    "id",
    "name",
    "state",
    "created_at",
    "rows",
    "n_columns",
    "files",
    "bytes",
    "schema_state",
    "staging_state",
)
JOB_SUMMARY = ("id", "name", "dataset_id", "dataset_name", "model", "target", "state", "reason", "attempt", "last_attempt",
               "created_at", "started_at", "finished_at", "metrics")  # fmt: skip


def create_api(platform: FakePlatform) -> Flask:
    """Make the API's app, to be mounted under /api."""
    app = Flask("fake_api")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.before_request
    def down() -> Response | None:
        of_metrics = request.path.startswith(("/metrics/", "/changes/")) or request.path.endswith("/events/")
        away = platform.down or (platform.metrics_down and of_metrics)
        return Response("<h1>502 Bad Gateway</h1>", 502) if away else None

    add_access(app, platform)
    _datasets(app, platform)
    add_uploads(app, platform)
    add_store(app, platform)
    _schemas(app, platform)
    _jobs(app, platform)
    _curves(app, platform)
    _results(app, platform)
    fake_predictions.routes(app, platform)
    add_changes(app, platform)
    return app


def _page(items: Iterable[JSON]) -> Response:
    number, size = int(request.args.get("page", 1)), int(request.args.get("page_size", 50))
    every = list(items)[::-1]
    return jsonify(
        items=every[(number - 1) * size : number * size],
        total=len(every),
        page=number,
        page_size=size,
        next_cursor=None if number * size >= len(every) else f"page {number + 1}",
    )


def _dataset(platform: FakePlatform, dataset_id: str) -> JSON:
    record = platform.datasets[dataset_id]
    return {key: record[key] for key in SUMMARY} | {
        "reason": record["reason"],
        "schema_track": {"state": record["schema_state"], "reason": record["reason"]},
        "staging_track": {"state": record["staging_state"], "bytes_done": record["bytes_done"],
                          "bytes_total": record["bytes"], "reason": None},
        "schema": platform.schemas[dataset_id],
        "train_file": None, "train_folder": None,
    }  # fmt: skip


def _datasets(app: Flask, platform: FakePlatform) -> None:
    @app.get("/health/")
    def health() -> Response:
        return jsonify(status="ok")

    @app.get("/datasets/")
    def datasets() -> Response:
        search = request.args.get("search", "").lower()
        found = [d for d in platform.datasets.values() if search in d["name"].lower()]
        return _page({key: record[key] for key in SUMMARY} for record in found)

    @app.route("/datasets/<dataset_id>/", methods=["GET", "DELETE"])
    def dataset(dataset_id: str) -> Any:
        if dataset_id not in platform.datasets:
            return problem(404, "NotFound", f"There is no data set '{dataset_id}'.")
        if request.method == "GET":
            return jsonify(_dataset(platform, dataset_id))
        busy = [
            job["name"]
            for job in platform.jobs.values()
            if job["dataset_id"] == dataset_id and job["state"] not in ENDED
        ]
        if busy:
            return problem(
                409, "Conflict", f"The job '{busy[0]}' uses this data set and has not ended; cancel it first."
            )
        del platform.datasets[dataset_id]
        return "", 204


def _schemas(app: Flask, platform: FakePlatform) -> None:  # noqa: C901 - one closure for each route
    @app.get("/datasets/<dataset_id>/preview/")
    def preview(dataset_id: str) -> Response:
        lines = [line.split(",") for line in platform.tables[dataset_id].strip().split("\n")]
        rows = lines[1 : 1 + int(request.args.get("rows", 20))]
        images = [c["name"] for c in platform.schemas[dataset_id]["columns"] if c["type"] == "image"]
        thumbnails = [
            {name: f"/api/datasets/{dataset_id}/files/{row[lines[0].index(name)]}?size=96" for name in images}
            for row in rows
        ]
        return jsonify(columns=lines[0], rows=[[cell or None for cell in row] for row in rows], thumbnails=thumbnails,
                       schema_complete=platform.schemas[dataset_id]["complete"], column_stats=[])  # fmt: skip

    @app.get("/datasets/<dataset_id>/files/<path:path>")
    def file(dataset_id: str, path: str) -> Response:
        digits = int("".join(c for c in path if c.isdigit()) or 0)
        if path == platform.broken_image:
            return problem(422, "Invalid", "It is not an image that can be decoded.")
        return Response(picture(digits), mimetype="image/webp")

    @app.route("/datasets/<dataset_id>/schema/", methods=["GET", "PATCH"])
    def schema(dataset_id: str) -> Any:
        if dataset_id not in platform.datasets:
            return problem(404, "NotFound", f"There is no data set '{dataset_id}'.")
        detected, overrides = platform.schemas[dataset_id], platform.overrides[dataset_id]
        if request.method == "PATCH":
            target = request.json.get("target")
            column = next((c for c in detected["columns"] if c["name"] == target), None)
            if column and column["distinct"] > 20:
                text = f"'{target}' has {column['distinct']} distinct values in {column['rows']} rows; a target needs several rows for each class"
                return problem(422, "Invalid", f"target: {text}", errors={"target": [text]})
            if target:
                platform.datasets[dataset_id]["target"] = target
            for name, change in request.json.get("columns", {}).items():
                overrides[name] = overrides.get(name, {}) | change
        columns = [
            c | overrides.get(c["name"], {}) | {"overridden": c["name"] in overrides}
            for c in detected["columns"]
        ]
        return jsonify(
            detected=detected, overrides=overrides, columns=columns, target=platform.target(dataset_id)
        )

    @app.get("/models/")
    def models() -> Response:
        return jsonify(items=fake_data.MODELS)


def _jobs(app: Flask, platform: FakePlatform) -> None:  # noqa: C901 - one closure for each route
    @app.post("/training_jobs/")
    def create() -> Any:
        body = request.json
        if body["dataset_id"] not in platform.datasets:
            return problem(404, "NotFound", f"There is no data set '{body['dataset_id']}'.")
        if platform.refuse_job:
            return problem(422, "Invalid", "The settings do not fit.", errors=platform.refuse_job)
        if body.get("seed") == 666:
            return problem(
                422,
                "Invalid",
                "The training rows would hold one class only.",
                errors={"split": ["one class"]},
            )
        found = platform.found(body)
        if any(one["severity"] == "error" and not one["ignored"] for one in found):
            return problem(422, "Invalid", "The data stop this job.", findings=found)
        job_id = platform.add_job(body["dataset_id"], body)
        if body.get("start"):
            platform.set_state(job_id, "queued")
        return jsonify(platform.jobs[job_id]), 201

    @app.post("/training_jobs/preflight/")
    def check() -> Response:
        return jsonify(
            version=1, rows=120, rows_in_table=120, images=0, findings=platform.found(request.json)
        )

    @app.get("/training_jobs/")
    def jobs() -> Response:
        asked = request.args
        found = [
            job
            for job in platform.jobs.values()
            if asked.get("state", job["state"]).count(job["state"])
            and asked.get("dataset_id", job["dataset_id"]) == job["dataset_id"]
            and asked.get("search", "").lower() in f"{job['name']} {job['dataset_name']}".lower()
        ]
        if asked.get("order") == "ended":
            found = sorted((job for job in found if job["finished_at"]), key=lambda job: job["finished_at"])
        return _page({key: job[key] for key in JOB_SUMMARY} for job in found)

    @app.get("/machines/")
    def machine() -> Any:
        cpus, memory_mb = float(request.args.get("cpus", 2)), int(request.args.get("memory_mb", 4096))
        if platform.price and cpus > 16:
            text = f"{cpus:g} vCPU with {memory_mb} MB is more than Fargate has; choose less in the job's resources"
            return problem(422, "Invalid", text, errors={"resources": [text]})
        price = {"currency": "USD", "per_hour": platform.price} if platform.price else None
        return jsonify(launcher="ecs" if price else "local", cpus=cpus, memory_mb=memory_mb, max_seconds=86_400, price=price)  # fmt: skip

    @app.get("/training_jobs/<job_id>/")
    def job(job_id: str) -> Any:
        if job_id not in platform.jobs:
            return problem(404, "NotFound", f"There is no job '{job_id}'.")
        return jsonify(platform.jobs[job_id])

    @app.post("/training_jobs/<job_id>/<action>/")
    def act(job_id: str, action: str) -> Any:
        if action == "cancel":
            platform.set_state(job_id, "cancelled", "cancelled by a person")
        else:
            if action == "retry":
                platform.jobs[job_id]["attempt"] += 1
            platform.set_state(job_id, "queued")
        return jsonify(platform.jobs[job_id]), 202

    @app.get("/training_jobs/<job_id>/logs/")
    def logs(job_id: str) -> Response:
        lines = [
            f"2026-11-23T10:00:{i:02}Z INFO trainer epoch {i} of 20"
            for i in range(len(platform.streams[job_id]) or 1)
        ] + platform.printed[job_id]
        return jsonify(lines=lines[-int(request.args.get("tail", 200)) :], source="local", truncated=False)


def _curves(app: Flask, platform: FakePlatform) -> None:
    @app.get("/metrics/curves/")
    def curves() -> Response:
        stream = platform.streams[request.args["job"]]
        items = [item for item in stream if item["kind"] != "point" or not platform.thinned]
        if "first_epoch" in request.args:
            low, high = float(request.args["first_epoch"]), float(request.args["last_epoch"])
            items = [
                item for item in stream if item["kind"] == "point" and low <= item["data"]["epoch"] <= high
            ]
        elif platform.thinned:
            points = [item for item in stream if item["kind"] == "point"]
            items = sorted([*items, *points[:: platform.thinned]], key=lambda item: item["seq"])
        return jsonify(items=items, last=len(stream))


def _results(app: Flask, platform: FakePlatform) -> None:
    names = (
        "model.safetensors",
        "model.pt",
        "id2label.json",
        "preprocessing.json",
        "report.json",
        "model_card.md",
    )

    @app.get("/training_jobs/<job_id>/events/")
    def events(job_id: str) -> Any:
        if job_id not in platform.jobs:
            return problem(404, "NotFound", f"There is no job '{job_id}'.")
        after = int(request.headers.get("Last-Event-ID") or request.args.get("after", 0))
        return Response(
            platform.events(job_id, after),
            mimetype="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    @app.get("/artifacts/")
    def artifacts() -> Response:
        job_id = request.args["job"]
        if platform.jobs[job_id]["state"] != "succeeded":
            return jsonify(items=[])
        return jsonify(items=[{"name": name, "uri": f"file:///objects/jobs/{job_id}/1/{name}", "size": 1234567 // (i + 1), "sha256": f"{i}a" * 32,
                               "download_url": f"/api/artifacts/{job_id}/{name}"} for i, name in enumerate(names)])  # fmt: skip

    @app.get("/artifacts/<job_id>/<name>")
    def artifact(job_id: str, name: str) -> Any:
        job = platform.jobs[job_id]
        if name != "report.json":
            return Response(b"x" * 100, mimetype="application/octet-stream")
        if job["state"] != "succeeded":
            return problem(404, "NotFound", "There is no such artifact.")
        stream = platform.streams[job_id]
        labels = next(item["data"]["labels"] for item in stream if item["kind"] == "evaluation")
        return jsonify(platform.reports.get(job_id) or fake_data.report(job, labels))
