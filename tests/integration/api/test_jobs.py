"""Training jobs over REST: create, start, cancel, retry, their ends, logs and artifacts."""

from __future__ import annotations

import pytest

from contracts.callback import ArtifactInfo, Outcome
from contracts.events import (
    UNHEARD,
    DatasetSchemaFailed,
    EndCause,
    JobFinished,
    JobLaunched,
    JobLost,
    JobStarted,
    WorkAbandoned,
)
from contracts.job import JobSpec
from runtime.outbox import EventRow
from services.api import datasets, jobs


@pytest.fixture
def dataset(platform):
    return platform.upload(images=40).json["id"]


@pytest.fixture
def ready(platform, dataset):
    platform.stage(dataset)
    return dataset


def create(platform, dataset_id, /, **wish):
    return platform.client.post(
        "/api/training_jobs/",
        json={"dataset_id": dataset_id, "model": "dummy_model", "target": "label"} | wish,
    )


def act(platform, job, verb):
    return platform.client.post(f"/api/training_jobs/{job}/{verb}/")


def show(platform, job):
    return platform.client.get(f"/api/training_jobs/{job}/").json


@pytest.fixture
def started(platform, ready):
    return create(platform, ready, start=True).json["id"]


def launches(platform):
    return [
        event
        for event, queue in platform.emitted()
        if (event, queue) == ("job.launch_requested.v1", "launcher")
    ]


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_job_that_is_made_as_its_data_set_becomes_ready_is_launched(platform, dataset, monkeypatch):
    make = jobs.create

    def too_late(session, row, **wish):
        assert row.state == "uploaded"
        platform.stage(dataset)
        return make(session, row, **wish)

    monkeypatch.setattr(jobs, "create", too_late)
    assert create(platform, dataset, start=True).status_code == 201
    assert len(launches(platform)) == 1


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)  # as above
def test_a_job_that_is_cancelled_as_its_data_set_becomes_ready_is_not_launched(
    platform, dataset, monkeypatch
):
    job = create(platform, dataset, start=True).json["id"]
    launch = jobs.launch_if_ready

    def too_late(session, outbox, row, dataset):
        assert row.state == "queued"
        assert act(platform, job, "cancel").json["state"] == "cancelled"
        launch(session, outbox, row, dataset)

    monkeypatch.setattr(jobs, "launch_if_ready", too_late)
    platform.stage(dataset)
    assert show(platform, job)["state"] == "cancelled"
    assert launches(platform) == []


def test_a_job_is_created_with_defaults_from_the_schema(platform, ready):
    response = create(platform, ready, epochs=3)
    assert response.status_code == 201, response.text
    job = response.json
    assert (job["state"], job["target"], job["attempt"], job["settings"]["epochs"]) == (
        "created",
        "label",
        1,
        3,
    )
    assert job["settings"]["feature_columns"] == ["photo", "age", "note"]
    assert [step["state"] for step in job["history"]] == ["created"]
    assert (
        platform.client.get(f"/api/training_jobs/?dataset_id={ready}").json["items"][0]["dataset_name"]
        == "pets.csv"
    )


@pytest.mark.parametrize(
    ("wish", "status", "complaint"),
    [
        ({"dataset_id": "nope"}, 404, "no data set 'nope'"),
        ({"model": "nope"}, 422, "there is no model 'nope'; there are"),
        ({"target": "nope"}, 422, "target: there is no column 'nope'"),
        ({"target": "note"}, 422, "distinct values"),
        ({"feature_columns": ["label"]}, 422, "is the target"),
        ({"epochs": 0}, 422, "epochs: Must be greater than or equal to 1"),
        ({"epochs": "1_000"}, 422, "epochs: Not a valid integer"),
        ({"learning_rate": 0}, 422, "learning_rate: Must be greater than 0"),
        ({"learning_rate": "NaN"}, 422, "learning_rate"),
        ({"batch_size": 10**9}, 422, "batch_size"),
        ({"validation_split": 1}, 422, "validation_split"),
        ({"resources": {"memory_mb": 1}}, 422, "resources.memory_mb"),
        ({"resources": {"gpus": 1}}, 422, "resources.gpus: Unknown field"),
        ({"params": {"nope": 1}}, 422, "allowed are"),
        ({"surprise": 1}, 422, "surprise: Unknown field"),
    ],
)
def test_a_bad_job_is_refused_and_says_why(platform, ready, wish, status, complaint):
    response = create(platform, ready, **wish)
    assert response.status_code == status, response.text
    assert complaint in response.json["detail"]


def test_start_is_idempotent_and_the_spec_is_one_a_trainer_accepts(platform, ready):
    job = create(platform, ready).json["id"]
    assert act(platform, job, "start").status_code == 202
    assert act(platform, job, "start").json["state"] == "queued"
    assert len(launches(platform)) == 1
    with platform.database.read() as session:
        events = [row.envelope for row in session.query(EventRow)]
    launch = next(event for event in events if event["event"] == "job.launch_requested.v1")
    assert JobSpec.from_env(launch["data"]["spec"]).job_id == job
    assert launch["correlation"]["job_id"] == job
    assert launch["correlation"]["request_id"]


def test_a_job_started_before_its_data_set_is_ready_is_launched_when_it_is(platform, dataset):
    job = create(platform, dataset, start=True).json
    assert (job["state"], launches(platform)) == ("queued", [])
    platform.stage(dataset)
    assert len(launches(platform)) == 1


def test_a_job_whose_data_set_is_rejected_fails_with_its_reason(platform, dataset):
    job = create(platform, dataset, start=True).json["id"]
    waiting = create(platform, dataset).json["id"]
    platform.hear(DatasetSchemaFailed(dataset_id=dataset, reason="binary"))
    assert show(platform, job)["reason"] == "the data set was rejected: binary"
    assert act(platform, waiting, "start").status_code == 409
    again = create(platform, dataset)
    assert (again.status_code, again.json["detail"]) == (409, "The data set was rejected: binary")


def test_it_goes_through_its_states_to_success(platform, started):
    artifact = ArtifactInfo(
        name="model.pt", uri=platform.store.uri(f"jobs/{started}/1/model.pt"), size=3, sha256="a" * 64
    )
    platform.store.put_bytes(f"jobs/{started}/1/model.pt", b"abc")
    platform.hear(JobLaunched(job_id=started, attempt=1, launcher="local", handle="42"))
    platform.hear(JobStarted(job_id=started, attempt=1))
    platform.hear(
        JobFinished(
            job_id=started,
            attempt=1,
            outcome=Outcome.SUCCEEDED,
            metrics={"accuracy": 0.9},
            artifacts=[artifact],
        )
    )
    job = show(platform, started)
    assert [step["state"] for step in job["history"]] == [
        "created",
        "queued",
        "launching",
        "running",
        "succeeded",
    ]
    assert (job["metrics"], job["handle"]) == ({"accuracy": 0.9}, "42")
    items = platform.client.get(f"/api/artifacts/?job={started}").json["items"]
    assert platform.client.get(items[0]["download_url"]).data == b"abc"
    assert platform.client.get(f"/api/artifacts/{started}/nope").status_code == 404


@pytest.mark.parametrize(
    "key", ["specs/{}/1/secret.json", "jobs/other/1/model.pt", "datasets/d/table.csv", None]
)
def test_only_a_jobs_own_objects_are_served_whatever_its_trainer_says(platform, started, key):
    uri = platform.store.uri(key.format(started)) if key else "s3://elsewhere/model.pt"
    if key:
        platform.store.put_bytes(key.format(started), b"not for everyone")
    artifact = ArtifactInfo(name="model.pt", uri=uri, size=3, sha256="a" * 64)
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED, artifacts=[artifact]))
    answer = platform.client.get(f"/api/artifacts/{started}/model.pt")
    assert answer.status_code == 404
    assert "is not among the objects of job" in answer.json["detail"]


def test_the_first_end_counts_and_details_that_come_second_are_kept(platform, started):
    silent = "the trainer's own report has not arrived"
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED, reason=silent))
    platform.hear(
        JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED, metrics={"accuracy": 0.5})
    )
    platform.hear(JobLost(job_id=started, attempt=1, reason="gone"))
    platform.hear(JobStarted(job_id=started, attempt=1))
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.FAILED, reason="late"))
    job = show(platform, started)
    assert (job["state"], job["metrics"], job["reason"]) == ("succeeded", {"accuracy": 0.5}, None)


def test_a_trainer_that_was_called_unheard_has_the_last_word(platform, started):
    unheard = JobFinished(
        job_id=started, attempt=1, outcome=Outcome.FAILED, reason=UNHEARD, cause=EndCause.CODE
    )
    platform.hear(unheard)
    assert (show(platform, started)["state"], show(platform, started)["reason"]) == ("failed", UNHEARD)
    platform.hear(
        JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED, metrics={"accuracy": 0.5})
    )
    platform.hear(unheard)
    job = show(platform, started)
    assert (job["state"], job["metrics"], job["reason"]) == ("succeeded", {"accuracy": 0.5}, None)


@pytest.mark.parametrize(
    ("first", "reason", "then"),
    [
        (Outcome.FAILED, "broken", Outcome.SUCCEEDED),
        (Outcome.FAILED, UNHEARD, Outcome.FAILED),
        (Outcome.CANCELLED, UNHEARD, Outcome.SUCCEEDED),
    ],
)
def test_no_other_end_is_overruled(platform, started, first, reason, then):
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=first, reason=reason))
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=then, reason="late"))
    assert (show(platform, started)["state"], show(platform, started)["reason"]) == (first.value, reason)


def test_news_of_an_earlier_attempt_change_nothing(platform, started):
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.FAILED, reason="broken"))
    assert act(platform, started, "retry").json["attempt"] == 2
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED))
    assert show(platform, started)["state"] == "queued"
    assert len(launches(platform)) == 2


def test_a_launch_that_was_given_up_fails_the_job(platform, started):
    platform.hear(
        WorkAbandoned(
            queue="launcher", event="job.launch_requested.v1", subject=started, attempts=3, reason="no subnet"
        )
    )
    assert "could not be launched; given up after 3 tries: no subnet" in show(platform, started)["reason"]


def test_cancel_before_launch_ends_at_once_and_after_it_asks_the_launcher(platform, ready, started):
    waiting = create(platform, ready).json["id"]
    assert act(platform, waiting, "cancel").json["state"] == "cancelled"
    assert act(platform, waiting, "cancel").status_code == 202
    assert act(platform, started, "cancel").json["state"] == "queued"
    assert platform.emitted()[-1] == ("job.cancel_requested.v1", "launcher")
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.CANCELLED, reason="cancelled"))
    assert show(platform, started)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("verb", "complaint"),
    [("start", "use retry"), ("cancel", "nothing to cancel"), ("retry", "this one is succeeded")],
)
def test_an_ended_job_refuses(platform, started, verb, complaint):
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.SUCCEEDED))
    response = act(platform, started, verb)
    assert response.status_code == 409
    assert complaint in response.json["detail"]


@pytest.mark.parametrize("path", ["", "logs/"])
def test_an_unknown_job_is_not_found(platform, path):
    assert platform.client.get(f"/api/training_jobs/nope/{path}").status_code == 404
    assert platform.client.get("/api/artifacts/?job=nope").status_code == 404
    assert act(platform, "nope", "start").status_code == 404


def test_the_log_tail_is_what_the_launcher_copied(platform, started):
    assert platform.client.get(f"/api/training_jobs/{started}/logs/").json["lines"] == []
    platform.store.put_bytes(f"jobs/{started}/1/log.txt", b"one\ntwo\nthree\n")
    tail = platform.client.get(f"/api/training_jobs/{started}/logs/?tail=2").json
    assert (tail["lines"], tail["truncated"]) == (["two", "three"], True)
    assert platform.client.get(f"/api/training_jobs/{started}/logs/?tail=0").status_code == 422


def test_a_data_set_in_use_is_not_deleted_and_one_with_ended_jobs_is(platform, ready, started):
    refused = platform.client.delete(f"/api/datasets/{ready}/")
    assert refused.status_code == 409
    platform.hear(JobFinished(job_id=started, attempt=1, outcome=Outcome.FAILED, reason="x"))
    assert platform.client.delete(f"/api/datasets/{ready}/").status_code == 204
    assert platform.client.get(f"/api/training_jobs/{started}/").status_code == 404


def test_every_job_that_goes_with_its_data_set_is_told_in_the_same_transaction(platform, ready, monkeypatch):
    made = {create(platform, ready).json["id"] for _ in range(3)}

    def deleted():
        with platform.database.read() as session:
            rows = [row.envelope for row in session.query(EventRow)]
        return [row for row in rows if row["event"] == "job.deleted.v1"]

    with monkeypatch.context() as patched:
        patched.setattr(datasets, "DatasetDeleted", None)
        assert platform.client.delete(f"/api/datasets/{ready}/").status_code == 500
    assert deleted() == []
    assert platform.client.delete(f"/api/datasets/{ready}/").status_code == 204
    assert {row["data"]["job_id"] for row in deleted()} == made
    assert {row["correlation"]["job_id"] for row in deleted()} == made
    assert platform.emitted().count(("job.deleted.v1", "metrics")) == 3


def test_the_models_are_listed_with_their_parameters(platform):
    items = platform.client.get("/api/models/").json["items"]
    assert {"dummy_model", "multimodal"} <= {item["name"] for item in items}
    assert all(item["params_schema"]["type"] == "object" for item in items)


def listed(platform, query):
    answer = platform.client.get(f"/api/training_jobs/?{query}")
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json["items"]], answer.json["total"]


def test_jobs_are_listed_by_state_name_and_end(platform, ready):
    ids = {
        name: create(platform, ready, name=name, start=True).json["id"] for name in ("one", "100%_b", "three")
    }
    create(platform, ready, name="100 b")
    for name in ("three", "one"):
        platform.hear(JobFinished(job_id=ids[name], attempt=1, outcome=Outcome.SUCCEEDED, reason=""))
    assert listed(platform, "") == (["100 b", "three", "100%_b", "one"], 4)
    assert listed(platform, "state=queued,created") == (["100 b", "100%_b"], 2)
    assert listed(platform, "search=ONE") == (["one"], 1)
    assert listed(platform, "search=%25_") == (["100%_b"], 1)
    assert listed(platform, "search=pets&page_size=1&page=2") == (["three"], 4)
    assert listed(platform, "order=ended") == (["one", "three"], 2)
    assert listed(platform, f"dataset_id={ready}&state=succeeded&search=e&order=ended") == (
        ["one", "three"],
        2,
    )


@pytest.mark.parametrize("query", ["state=nope", "order=newest", f"search={'x' * 301}"])
def test_a_list_that_cannot_be_is_refused_and_says_what_can(platform, query):
    answer = platform.client.get(f"/api/training_jobs/?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.json["detail"]


def test_a_machine_is_told_and_its_price(platform):
    answer = platform.client.get("/api/machines/").json
    assert answer == {
        "launcher": "local",
        "cpus": 2.0,
        "memory_mb": 4096,
        "max_seconds": 86_400,
        "price": None,
    }
    assert platform.client.get("/api/machines/?cpus=0").status_code == 422
