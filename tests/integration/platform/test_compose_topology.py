"""The services of compose.yaml, without containers: twice the workers, and the work goes on when one of each kind is gone."""

from __future__ import annotations

import pytest

from support.platform import Api, shapes
from support.redis_server import redis_binary
from support.s3_server import s3_server
from support.topology import Topology
from support.wait import until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def topology(_postgres, tmp_path_factory):
    if redis_binary() is None:
        pytest.skip("no redis-server on this machine")
    with s3_server("of-nobody") as endpoint:
        made = Topology(
            tmp_path_factory.mktemp("topology"), _postgres.create_database(), endpoint.removeprefix("http://")
        )
        try:
            made.start()
            yield made
        finally:
            left = made.stop()
    assert left == 0, f"{left} processes were left behind"


@pytest.fixture(scope="module")
def api(topology):
    made = Api(topology.url, topology.key)
    yield made
    made.client.close()


def trained_and_asked(api):
    """Upload a table, train on it, have a row predicted; gives the job's model's artifacts."""
    table, images = shapes(rows=60)
    dataset = api.ready(api.upload(table, images)["id"])
    assert dataset["state"] == "ready", dataset["reason"]
    job = api.train(dataset_id=dataset["id"], target="shape", model="dummy_model")
    ended = api.ended(job)
    assert ended["state"] == "succeeded", ended["reason"]
    asked = api.client.post("/api/predictions/", json={"job_id": job, "dataset_id": dataset["id"]})
    assert asked.status_code == 202, asked.text

    def answered():
        prediction = api.get(f"/api/predictions/{asked.json()['id']}/")
        return prediction if prediction["state"] in {"succeeded", "failed"} else None

    prediction = until(answered, "the prediction", seconds=180)
    assert prediction["state"] == "succeeded", prediction
    return api.get("/api/artifacts/", job=job)["items"]


def test_two_of_each_worker_are_up_and_what_is_done_once_is_done(topology):
    assert sorted(topology.done) == ["bucket", "migrations"]
    assert topology.workers == [
        "api-worker",
        "ingest-schema",
        "ingest-staging",
        "launcher",
        "metrics-worker",
        "predictor",
        "relay",
    ]
    for worker in topology.workers:
        assert {f"{worker}-1", f"{worker}-2"} <= set(topology.parts)


def test_a_job_goes_from_the_gateway_through_all_of_them_to_the_bucket(api):
    assert {artifact["uri"].partition("/jobs/")[0] for artifact in trained_and_asked(api)} == {
        "s3://triptych"
    }


def test_the_next_job_completes_although_one_of_each_worker_was_killed(topology, api):
    for worker in topology.workers:
        topology.kill(f"{worker}-1")
    assert all(topology.parts[f"{worker}-1"].why_not_ready() for worker in topology.workers)
    assert trained_and_asked(api)
