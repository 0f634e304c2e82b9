"""From CSV to model through every service, each a process of its own, over real Redis, databases and object stores."""

from __future__ import annotations

import json
import os

import httpx
import pytest

from support.changes import ChangesViewer
from support.platform import shapes
from support.wait import until

pytestmark = pytest.mark.slow


def stream(platform, job, last=None):
    """Read a job's event stream to its end."""
    headers = {"Last-Event-ID": str(last)} if last else {}
    items, kind = [], ""
    with httpx.stream(
        "GET", f"{platform.url}/api/training_jobs/{job}/events/", headers=headers, timeout=120
    ) as response:
        for line in response.iter_lines():
            if line.startswith("event:"):
                kind = line.removeprefix("event:").strip()
            elif line.startswith("data:") and kind not in {"heartbeat", "log"}:
                if kind == "end":
                    break
                items.append(json.loads(line.removeprefix("data:")))
    return items


@pytest.fixture(scope="module")
def told(platform):
    """What is told of changes, from before there is anything."""
    viewer = ChangesViewer(platform.url)
    until(lambda: viewer.told == ["look"], "the stream of changes")
    yield viewer.told
    viewer.close()


@pytest.fixture(scope="module")
def dataset(platform, told):
    table, images = shapes(rows=300)
    return platform.ready(platform.upload(table, images, "shapes.csv")["id"])


@pytest.fixture(scope="module")
def job(platform, dataset):
    job_id = platform.train(dataset_id=dataset["id"], target="shape", model="multimodal", epochs=6)
    items = stream(platform, job_id)
    return platform.ended(job_id), items


def test_the_data_set_becomes_ready_with_the_whole_schema_and_its_images_in_shards(platform, dataset):
    assert (dataset["state"], dataset["rows"], dataset["files"]) == ("ready", 300, 300), dataset["reason"]
    assert dataset["schema"]["complete"]
    types = {column["name"]: column["type"] for column in dataset["schema"]["columns"]}
    assert types == {
        "picture": "image",
        "note": "text",
        "corners": "numeric",
        "tint": "categorical",
        "shape": "categorical",
    }
    assert dataset["staging_track"]["bytes_done"] == dataset["staging_track"]["bytes_total"]
    preview = platform.get(f"/api/datasets/{dataset['id']}/preview/")
    thumbnail = platform.client.get(preview["thumbnails"][0]["picture"])
    assert thumbnail.headers["content-type"] == "image/webp"


def test_the_job_goes_through_every_state_and_learns(job):
    ended, _ = job
    assert ended["state"] == "succeeded", ended["reason"]
    assert [step["state"] for step in ended["history"]] == [
        "created",
        "queued",
        "launching",
        "running",
        "succeeded",
    ]
    assert ended["metrics"]["accuracy"] > 0.9


def test_what_changes_is_told_as_it_happens(told, dataset, job):
    ended, _ = job
    # made, its table read, its files stored; made and queued, launched, running, ended
    assert told.count(f"dataset {dataset['id']}") >= 3
    assert until(lambda: told.count(f"job {ended['id']}") >= 4, "every state of the job")


def test_the_stream_has_every_item_once_in_order_and_so_has_the_history(platform, job):
    ended, items = job
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    history = platform.get("/api/metrics/", job=ended["id"])["items"]
    assert [item["seq"] for item in history] == [item["seq"] for item in items]
    assert {item["kind"] for item in items} >= {"state", "point", "evaluation", "artifact"}
    assert [item["seq"] for item in stream(platform, ended["id"], last=3)] == [item["seq"] for item in items][
        3:
    ]


def test_its_artifacts_can_be_downloaded_and_are_what_was_announced(platform, job):
    import hashlib

    ended, _ = job
    items = platform.get("/api/artifacts/", job=ended["id"])["items"]
    assert {
        "model.pt",
        "model.safetensors",
        "id2label.json",
        "preprocessing.json",
        "report.json",
        "model_card.md",
    } <= {item["name"] for item in items}
    for item in items:
        content = platform.client.get(item["download_url"], follow_redirects=True).content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (item["size"], item["sha256"])


def predicted(platform, **wish):
    """Ask for a prediction and give its rows, as numbers where they are, by the columns' names."""
    asked = platform.client.post("/api/predictions/", json=wish)
    assert asked.status_code == 202, asked.text
    url = f"/api/predictions/{asked.json()['id']}"

    def end():
        shown = platform.get(f"{url}/")
        return shown if shown["state"] in {"succeeded", "failed"} else None

    ended = until(end, "the prediction to end", seconds=180)
    assert ended["state"] == "succeeded", ended["reason"]
    whole = platform.client.get(f"{url}/predictions.csv", follow_redirects=True)
    assert len(whole.content) == ended["size"]
    shown = platform.get(f"{url}/rows/", limit=1000)
    assert len(shown["rows"]) == ended["rows"]
    return [dict(zip(shown["columns"], row, strict=True)) for row in shown["rows"]], ended["notes"]


def test_its_model_predicts_the_data_set_and_the_same_row_sent_along_alike(platform, dataset, job):
    ended, _ = job
    whole, notes = predicted(platform, job_id=ended["id"], dataset_id=dataset["id"], contributions=True)
    assert (len(whole), notes) == (300, [])
    preview = platform.get(f"/api/datasets/{dataset['id']}/preview/", rows=3)
    rows = [dict(zip(preview["columns"], row, strict=True)) for row in preview["rows"]]
    truth = [row.pop("shape") for row in rows]
    alone, _ = predicted(platform, job_id=ended["id"], rows=rows, contributions=True)
    assert alone == whole[:3]
    assert [row["prediction"] for row in alone] == truth
    assert {"contribution(image)", "contribution(text)", "contribution(tabular)"} <= alone[0].keys()


def test_a_row_that_says_little_is_predicted_all_the_same_and_what_was_assumed_is_told(platform, job):
    ended, _ = job
    [row], notes = predicted(platform, job_id=ended["id"], rows=[{"corners": "many"}], top_k=2)
    assert {"prediction", "probability", "prediction_2", "probability_2"} < row.keys()
    assert any("'corners': 1 of 1 values are no numbers" in note for note in notes), notes


def test_the_log_tail_is_served(platform, job):
    ended, _ = job
    log = until(lambda: platform.get(f"/api/training_jobs/{ended['id']}/logs/")["lines"], "the log")
    assert any(ended["id"] in line for line in log), "structured lines carry the job's id"


def test_the_ids_of_a_request_travel_through_the_services_into_the_trainer(platform, dataset):
    job_id = platform.client.post(
        "/api/training_jobs/",
        json={"dataset_id": dataset["id"], "target": "shape", "model": "dummy_model", "start": True},
        headers={"X-Request-ID": "follow-me"},
    ).json()["id"]
    platform.ended(job_id)
    logs = platform.folder / "var" / "logs"
    until(
        lambda: "follow-me" in (logs / "launcher.log").read_text(), "the request's id in the launcher's log"
    )
    tail = until(lambda: platform.get(f"/api/training_jobs/{job_id}/logs/")["lines"], "the trainer's log")
    assert any("follow-me" in line for line in tail)


def test_a_job_is_cancelled_while_it_runs(platform, dataset):
    job_id = platform.train(
        dataset_id=dataset["id"],
        target="shape",
        model="dummy_model",
        epochs=500,
        params={"seconds_per_epoch": 1},
    )
    until(
        lambda: platform.get(f"/api/training_jobs/{job_id}/")["state"] == "running",
        "the job to run",
        seconds=60,
    )
    assert platform.client.post(f"/api/training_jobs/{job_id}/cancel/").status_code == 202
    assert platform.ended(job_id, seconds=60)["state"] == "cancelled"


def test_a_job_that_fails_says_why_and_can_be_retried(platform, dataset):
    job_id = platform.train(
        dataset_id=dataset["id"], target="shape", model="dummy_model", epochs=3, params={"fail_at_epoch": 1}
    )
    failed = platform.ended(job_id)
    assert failed["state"] == "failed"
    assert failed["reason"]
    assert platform.client.post(f"/api/training_jobs/{job_id}/retry/").json()["attempt"] == 2
    assert platform.ended(job_id)["state"] == "failed"


def test_a_rejected_table_says_why(platform):
    response = platform.client.post(
        "/api/datasets/upload_and_detect/", files=[("file", ("a.csv", b"\x89PNG\r\n\x1a\n\0\0"))]
    )
    assert response.status_code == 422
    assert "a.csv" in response.json()["detail"]


def test_a_deleted_data_set_leaves_no_objects(platform):
    table, images = shapes(rows=10)
    dataset = platform.ready(platform.upload(table, images)["id"])
    assert platform.client.delete(f"/api/datasets/{dataset['id']}/").status_code == 204
    assert platform.client.get(f"/api/datasets/{dataset['id']}/").status_code == 404
    objects = platform.folder / "var" / "objects" / "datasets" / dataset["id"]
    # os.walk, unlike Path.rglob, bears a folder being removed under it
    until(lambda: not any(files for _, _, files in os.walk(objects)), "the objects to be gone")
