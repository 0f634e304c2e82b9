"""Who may see a job's items, and who may not; callbacks have a proof of their own."""

from __future__ import annotations

import pytest
from integration.metrics.conftest import client_of

from runtime.access import jobs as owners
from runtime.access import keys
from runtime.access.principal import ADMIN, READ, WRITE

PATHS = (
    "/api/metrics/?job={}",
    "/api/metrics/curves/?job={}",
    "/api/training_jobs/{}/events/",
)


@pytest.fixture
def other(database):
    """Another workspace, with a job of its own; gives a key of it."""
    with database.write() as session:
        workspace = keys.make_workspace(session, "other").id
        owners.own(session, "theirs", workspace)
        return keys.make(session, workspace, "k", [READ])[1]


def asking(app, secret):
    client = app.test_client()
    if secret:
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client


def test_the_routes_are_these(app):
    guarded = {rule.rule for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    assert guarded - {"/healthz", "/readyz", "/metrics", "/api/metrics/openapi.json"} == {
        "/api/metrics/",
        "/api/metrics/curves/",
        "/api/training_jobs/<string:job_id>/events/",
        "/api/changes/",
    }


@pytest.mark.parametrize("path", PATHS)
def test_a_job_is_its_workspaces_alone(app, database, other, path):
    with database.write() as session:
        beyond = keys.make(session, "default", "k", [WRITE, ADMIN])[1]
    for secret, job, status in [
        ("", "mine", 401),
        ("trp_" + "x" * 40, "mine", 401),
        (beyond, "mine", 403),
        (other, "mine", 404),
        (other, "theirs", 200),
    ]:
        assert asking(app, secret).get(path.format(job)).status_code == status, (secret, job)
    assert client_of(app).get(path.format("mine")).status_code == 200
    assert client_of(app).get(path.format("theirs")).status_code == 404


def test_changes_are_told_to_who_may_look(app, database):
    with database.write() as session:
        beyond = keys.make(session, "default", "k", [WRITE, ADMIN])[1]
        reader = keys.make(session, "default", "k", [READ])[1]
    for secret, status in [("", 401), ("trp_" + "x" * 40, 401), (beyond, 403), (reader, 200)]:
        assert asking(app, secret).get("/api/changes/").status_code == status, secret


def test_a_callback_needs_no_key_and_a_key_is_no_callback(app):
    answer = client_of(app).patch("/api/training_jobs/mine/metrics/", data=b"{}")
    assert answer.status_code == 401
    assert "X-Callback-Token" in answer.json["detail"]
