"""Predictions over REST: of rows sent along, of data sets ready or on their way, their ends and their results."""

from __future__ import annotations

import base64
import csv
import io

import pytest

from contracts.callback import Outcome
from contracts.events import DatasetSchemaFailed, JobFinished, PredictionFinished, WorkAbandoned
from runtime.outbox import EventRow

pytestmark = pytest.mark.sqlite

PIXEL = base64.b64encode(b"not looked at here").decode()


@pytest.fixture
def dataset(platform):
    dataset = platform.upload(images=40).json["id"]
    platform.stage(dataset)
    return dataset


@pytest.fixture
def job(platform, dataset):
    wish = {"dataset_id": dataset, "model": "dummy_model", "target": "label", "start": True}
    job = platform.client.post("/api/training_jobs/", json=wish).json["id"]
    platform.hear(JobFinished(job_id=job, attempt=1, outcome=Outcome.SUCCEEDED))
    return job


def ask(platform, job, **wish):
    return platform.client.post("/api/predictions/", json={"job_id": job, **wish})


def show(platform, prediction):
    return platform.client.get(f"/api/predictions/{prediction}/").json


def tasks(platform):
    """What the predictor is asked for, oldest first."""
    with platform.database.read() as session:
        rows = session.query(EventRow).order_by(EventRow.created_at)
        return [row.envelope["data"] for row in rows if row.envelope["event"] == "prediction.requested.v1"]


def stored(platform, uri):
    return platform.store.get_bytes(platform.store.key_of(uri))


def test_rows_are_written_as_a_table_with_the_images_they_name(platform, job):
    rows = [
        {"photo": "new.png", "age": 3.5, "note": 'a "quoted", long\nnote'},
        {"photo": "P7.PNG", "note": None, "age": True},
    ]
    response = ask(platform, job, rows=rows, images={"new.png": f"data:image/png;base64,{PIXEL}"}, top_k=2)
    assert response.status_code == 202, response.text
    assert (response.json["state"], response.json["name"], response.json["dataset_id"]) == (
        "running",
        "2 rows",
        None,
    )
    [asked] = tasks(platform)
    assert asked["artifacts"] == platform.store.uri(f"jobs/{job}/1")
    assert (asked["task"]["top_k"], asked["task"]["contributions"]) == (2, False)
    table = stored(platform, asked["task"]["table"]).decode()
    assert list(csv.reader(io.StringIO(table, newline=""))) == [
        ["photo", "age", "note"],
        ["new.png", "3.5", 'a "quoted", long\nnote'],
        ["P7.PNG", "true", ""],
    ]
    assert stored(platform, f"{asked['task']['images']}/new.png") == b"not looked at here"
    # the second row names a file of the data set that the model was trained on
    assert stored(platform, f"{asked['task']['images']}/photos/p7.png")[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("wish", "status", "complaint"),
    [
        ({}, 422, "Give either `rows` or `dataset_id`."),
        ({"rows": [{}], "dataset_id": "d"}, 422, "Give either"),
        ({"rows": []}, 422, "rows: Shorter than minimum length 1"),
        ({"rows": [{}] * 101}, 422, "101 rows are more than the 100 that a request may hold"),
        ({"rows": [{"age": 1}, {"label": "cat"}]}, 422, "rows.1.label: there is no column 'label'"),
        ({"rows": [{"age": [1]}]}, 422, "rows.0.age: is no cell"),
        ({"rows": [{"photo": "x.png"}], "images": {"x.png": "§"}}, 422, "images.x.png: is not base64"),
        ({"rows": [{}], "images": {"../x.png": PIXEL}}, 422, "is not a relative path"),
        ({"rows": [{}], "images": {"x.png": PIXEL * 2_000_000}}, 413, "exceeds the capacity limit"),
        ({"rows": [{}], "top_k": 0}, 422, "top_k: Must be greater than or equal to 1"),
        ({"dataset_id": "nope"}, 404, "There is no data set 'nope'"),
        ({"job_id": "nope", "rows": [{}]}, 404, "There is no training job 'nope'"),
    ],
)
def test_a_wrong_wish_is_refused_by_its_field_and_leaves_nothing(platform, job, wish, status, complaint):
    response = ask(platform, job, **wish)
    assert (response.status_code, complaint in response.json["detail"]) == (status, True), response.text
    assert tasks(platform) == []
    assert platform.client.get(f"/api/predictions/?job={job}").json["total"] == 0


def test_a_job_without_a_model_cannot_predict(platform, dataset):
    wish = {"dataset_id": dataset, "model": "dummy_model", "target": "label"}
    job = platform.client.post("/api/training_jobs/", json=wish).json["id"]
    for what in ({"rows": [{"age": 1}]}, {"dataset_id": dataset}):
        response = ask(platform, job, **what)
        assert (response.status_code, response.json["detail"]) == (
            409,
            "Only the model of a job that succeeded can predict; this one is created.",
        )


def test_a_data_set_is_predicted_where_it_lies(platform, job, dataset):
    response = ask(platform, job, dataset_id=dataset, contributions=True)
    assert (response.json["state"], response.json["name"]) == ("running", "pets.csv")
    [asked] = tasks(platform)
    assert asked["task"]["table"] == platform.store.uri(f"datasets/{dataset}/table.csv")
    assert asked["task"]["images"] == platform.store.uri(f"datasets/{dataset}/images") + "/"
    assert asked["task"]["dialect"]["delimiter"] == ","
    assert asked["task"]["contributions"]


def test_a_prediction_waits_for_its_data_set(platform, job):
    late = platform.upload().json["id"]
    prediction = ask(platform, job, dataset_id=late).json
    assert (prediction["state"], tasks(platform)) == ("waiting", [])
    platform.stage(late)
    assert show(platform, prediction["id"])["state"] == "running"
    assert [asked["prediction_id"] for asked in tasks(platform)] == [prediction["id"]]


def test_a_prediction_whose_data_set_is_rejected_fails_with_its_reason(platform, job):
    late = platform.upload().json["id"]
    prediction = ask(platform, job, dataset_id=late).json["id"]
    platform.hear(DatasetSchemaFailed(dataset_id=late, reason="binary"))
    assert show(platform, prediction)["reason"] == "The data set was rejected: binary"
    assert ask(platform, job, dataset_id=late).status_code == 409


@pytest.fixture
def asked(platform, job, dataset):
    return ask(platform, job, dataset_id=dataset).json["id"]


def result(platform, prediction, text):
    out = tasks(platform)[-1]["task"]["out"]
    platform.store.put_bytes(platform.store.key_of(out), text.encode())
    platform.hear(
        PredictionFinished(prediction_id=prediction, uri=out, size=len(text), rows=2, notes=["odd"])
    )


def test_a_result_is_shown_and_downloaded(platform, asked):
    url = f"/api/predictions/{asked}"
    assert platform.client.get(f"{url}/rows/").status_code == 409
    assert platform.client.get(f"{url}/predictions.csv").status_code == 409
    text = 'row,prediction,probability\n0,"cat, ""tabby""",0.9\n1,dog,0.8\n'
    result(platform, asked, text)
    shown = show(platform, asked)
    assert (shown["state"], shown["rows"], shown["size"], shown["notes"]) == (
        "succeeded",
        2,
        len(text),
        ["odd"],
    )
    assert shown["finished_at"]
    assert platform.client.get(f"{url}/rows/?limit=1").json == {
        "columns": ["row", "prediction", "probability"],
        "rows": [["0", 'cat, "tabby"', "0.9"]],
    }
    download = platform.client.get(f"{url}/predictions.csv")
    assert download.text == text
    assert "predictions.csv" in download.headers["Content-Disposition"]


def test_a_result_longer_than_what_is_read_ends_with_a_whole_row(platform, asked):
    line = "0,cat," + "x" * 1_000_000 + "\n"
    result(platform, asked, "row,prediction,probability\n" + line * 10)
    rows = platform.client.get(f"/api/predictions/{asked}/rows/").json["rows"]
    assert [len(row[2]) for row in rows] == [1_000_000] * 8


def test_the_first_end_counts(platform, asked):
    platform.hear(PredictionFinished(prediction_id=asked, reason="out of memory"))
    platform.hear(PredictionFinished(prediction_id=asked, rows=5))
    assert (show(platform, asked)["state"], show(platform, asked)["reason"]) == ("failed", "out of memory")


def test_abandoned_work_ends_it(platform, asked):
    platform.hear(
        WorkAbandoned(
            queue="predictor",
            event="prediction.requested.v1",
            subject=asked,
            attempts=3,
            reason="worker killed",
        )
    )
    assert show(platform, asked)["reason"] == "given up after 3 tries: worker killed"


def test_they_are_listed_newest_first(platform, job, dataset, asked):
    second = ask(platform, job, rows=[{"age": 1}]).json["id"]
    page = platform.client.get(f"/api/predictions/?job={job}&page_size=1").json
    assert ([item["id"] for item in page["items"]], page["total"]) == ([second], 2)
    assert platform.client.get("/api/predictions/?job=other").json["total"] == 0


def test_they_go_with_their_job_and_outlive_the_data_set_they_predicted(platform, job, dataset, asked):
    other = platform.upload().json["id"]
    platform.stage(other)
    kept = ask(platform, job, dataset_id=other).json["id"]
    late = platform.upload().json["id"]
    waiting = ask(platform, job, dataset_id=late).json["id"]
    for gone in (other, late):
        assert platform.client.delete(f"/api/datasets/{gone}/").status_code == 204
    assert (show(platform, kept)["state"], show(platform, kept)["dataset_id"]) == ("running", None)
    assert show(platform, waiting)["reason"] == "The data set was deleted."
    assert platform.client.delete(f"/api/datasets/{dataset}/").status_code == 204
    assert platform.client.get(f"/api/predictions/{asked}/").status_code == 404
