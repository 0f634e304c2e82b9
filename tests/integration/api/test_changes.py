"""Pages are told of what was committed in their workspace: data sets, jobs and predictions, by kind and id."""

from __future__ import annotations

import pytest
from integration.api.test_jobs import act, create

from contracts.callback import Outcome
from contracts.changes import Change
from contracts.events import (
    DatasetSchemaFailed,
    DatasetStagingProgressed,
    JobFinished,
    JobLaunched,
    PredictionFinished,
)
from runtime.access import keys
from runtime.access.principal import WRITE
from services.api.changes import Changes

pytestmark = pytest.mark.sqlite


class Announced:
    """Takes the place of Redis."""

    def __init__(self):
        self.messages = []

    def announce(self, messages):
        self.messages += messages

    def take(self, workspace="default"):
        """Give what a workspace was told since the last time, as "kind id"."""
        told = [
            Change.model_validate_json(raw) for where, raw in self.messages if where == f"changes:{workspace}"
        ]
        self.messages.clear()
        return sorted(f"{change.kind} {change.id}" for change in told)


@pytest.fixture
def announced(platform):
    announced = Announced()
    for database in (platform.app.extensions["triptych"].db, platform.database):
        database.watchers[:] = [Changes(announced).watch]
    return announced


def progressed(dataset, done):
    return DatasetStagingProgressed(dataset_id=dataset, bytes_done=done, bytes_total=100)


def test_every_step_of_a_data_set_its_job_and_a_prediction_is_told(platform, announced):
    dataset = platform.upload(images=40).json["id"]
    assert announced.take() == [f"dataset {dataset}"]
    platform.hear(progressed(dataset, 50))
    assert announced.take() == [f"staging {dataset}"]
    job = create(platform, dataset, start=True).json["id"]
    assert announced.take() == [f"job {job}"]
    platform.stage(dataset)
    assert announced.take() == [f"dataset {dataset}"] * 2  # its table is read, its files are stored
    platform.hear(JobLaunched(job_id=job, attempt=1, launcher="local", handle="1"))
    assert announced.take() == [f"job {job}"]
    platform.hear(JobFinished(job_id=job, attempt=1, outcome=Outcome.SUCCEEDED))
    assert announced.take() == [f"job {job}"]
    wish = {"job_id": job, "rows": [{"age": 1}]}
    prediction = platform.client.post("/api/predictions/", json=wish).json["id"]
    assert announced.take() == [f"prediction {prediction}"]
    platform.hear(PredictionFinished(prediction_id=prediction, rows=1, size=1))
    assert announced.take() == [f"prediction {prediction}"]
    assert platform.client.delete(f"/api/datasets/{dataset}/").status_code == 204
    assert announced.take() == [f"dataset {dataset}", f"job {job}"]


@pytest.mark.parametrize("verb", ["start", "cancel"])
def test_what_people_do_with_a_job_is_told(platform, announced, verb):
    job = create(platform, platform.upload(images=40).json["id"]).json["id"]
    announced.take()
    act(platform, job, verb)
    assert announced.take() == [f"job {job}"]


def test_a_rejected_data_set_ends_its_jobs_and_both_are_told(platform, announced):
    dataset = platform.upload(images=40).json["id"]
    job = create(platform, dataset, start=True).json["id"]
    announced.take()
    platform.hear(DatasetSchemaFailed(dataset_id=dataset, reason="no rows"))
    assert announced.take() == [f"dataset {dataset}", f"job {job}"]


def test_what_changes_nothing_is_not_told(platform, announced):
    dataset = platform.upload().json["id"]
    platform.hear(progressed(dataset, 50))
    announced.take()
    platform.hear(progressed(dataset, 10))
    assert create(platform, dataset, target="nothing").status_code == 422
    assert platform.client.get(f"/api/datasets/{dataset}/").status_code == 200
    assert announced.take() == []


def test_another_workspace_is_told_of_its_own_alone(platform, announced):
    with platform.database.write() as session:
        other = keys.make_workspace(session, "other").id
        secret = keys.make(session, other, "k", [WRITE])[1]
    platform.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    dataset = platform.upload().json["id"]
    messages = list(announced.messages)
    assert announced.take(other) == [f"dataset {dataset}"]
    assert {where for where, _ in messages} == {f"changes:{other}"}
