"""Idempotency-Key: a POST that is sent again makes nothing twice, whatever broke off in between."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from runtime.db import now
from services.api.idempotency import Idempotency, forget
from services.api.models import IdempotentRequest, Job, JobStep

pytestmark = pytest.mark.sqlite


@pytest.fixture
def wish(platform):
    dataset = platform.upload().json
    platform.stage(dataset["id"])
    return {"dataset_id": dataset["id"], "model": "dummy_model", "ignore": ["target-leak", "images-missing"]}


def post(platform, wish, key="k-1"):
    return platform.client.post("/api/training_jobs/", json=wish, headers={"Idempotency-Key": key})


def jobs(platform):
    return platform.client.get("/api/training_jobs/").json["total"]


def test_the_first_answer_is_repeated(platform, wish):
    first, second = post(platform, wish), post(platform, wish)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert jobs(platform) == 1
    assert post(platform, wish, "k-2").json["id"] != first.json["id"]


def test_a_key_is_good_for_one_request(platform, wish):
    post(platform, wish)
    other = post(platform, {**wish, "name": "another"})
    assert other.status_code == 422
    assert "another request" in other.json["detail"]
    elsewhere = platform.client.post(
        "/api/training_jobs/preflight/", json=wish, headers={"Idempotency-Key": "k-1"}
    )
    assert elsewhere.status_code == 422
    assert jobs(platform) == 1


@pytest.mark.parametrize("key", ["", "two words", "ä", "x" * 256])
def test_a_key_that_is_none_is_refused(platform, key):
    refused = platform.client.post(
        "/api/predictions/", json={}, headers={"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert refused.status_code == 400
    assert "visible ASCII" in refused.json["detail"]


def test_what_was_refused_may_be_sent_again(platform, wish):
    wrong = {**wish, "target": "photo"}
    assert [post(platform, wrong).status_code for _ in range(2)] == [422, 422]
    assert post(platform, wish).status_code == 201


def test_a_request_under_way_is_not_begun_again(platform, wish, monkeypatch):
    began, go_on = threading.Event(), threading.Event()
    answers = []
    check = platform.app.extensions["triptych"].checks
    run = type(check).run

    def slow(self, *arguments):
        began.set()
        assert go_on.wait(20)
        return run(self, *arguments)

    monkeypatch.setattr(type(check), "run", slow)
    client = platform.another_client()
    headers = {"Idempotency-Key": "k-1"}
    thread = threading.Thread(
        target=lambda: answers.append(client.post("/api/training_jobs/", json=wish, headers=headers))
    )
    thread.start()
    assert began.wait(20)
    meanwhile = post(platform, wish)
    go_on.set()
    thread.join()
    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (409, "1")
    assert answers[0].status_code == 201
    assert post(platform, wish).json == answers[0].json


class Early:
    """A session that looks for rows a moment before they are there."""

    def __init__(self, session):
        self._session = session

    def __getattr__(self, name):
        return getattr(self._session, name)

    def get(self, *_arguments, **_options):
        return None


def test_of_two_at_the_same_moment_the_later_leaves_the_first_alone(platform, wish, monkeypatch):
    claim, seen = Idempotency._claim, []

    def claim_at_once(self, session, *arguments):
        seen.append(session)
        return claim(self, Early(session) if len(seen) == 2 else session, *arguments)

    check = platform.app.extensions["triptych"].checks
    run, meanwhile = type(check).run, []

    def overtaken(self, *arguments):
        if not meanwhile:
            meanwhile.append(None)
            # in a thread of its own, for the request at hand is this one's
            other = threading.Thread(
                target=lambda: meanwhile.append(
                    platform.another_client().post(
                        "/api/training_jobs/", json=wish, headers={"Idempotency-Key": "k-1"}
                    )
                )
            )
            other.start()
            other.join()
        return run(self, *arguments)

    monkeypatch.setattr(Idempotency, "_claim", claim_at_once)
    monkeypatch.setattr(type(check), "run", overtaken)
    first = post(platform, wish)
    assert (first.status_code, meanwhile[1].status_code, len(seen)) == (201, 409, 2)
    assert jobs(platform) == 1


def age(platform, **values):
    with platform.database.write() as session:
        session.execute(update(IdempotentRequest).values(**values))


def test_a_process_that_died_after_the_change_has_made_it_once(platform, wish):
    post(platform, wish)
    age(platform, state="done", body=None, busy_until=now() - timedelta(seconds=1))
    again = post(platform, wish)
    assert again.status_code == 409
    assert "was carried out" in again.json["detail"]
    assert jobs(platform) == 1


def test_a_process_that_died_before_the_change_leaves_the_key_to_the_next(platform, wish):
    post(platform, {**wish, "name": "kept"})
    # As if its transaction had not come to its end
    with platform.database.write() as session:
        session.execute(delete(JobStep))
        session.execute(delete(Job))
    age(platform, state="running", busy_until=now() + timedelta(minutes=1))
    assert post(platform, {**wish, "name": "kept"}).status_code == 409
    age(platform, busy_until=now() - timedelta(seconds=1))
    assert post(platform, {**wish, "name": "kept"}).status_code == 201
    assert jobs(platform) == 1


def test_a_key_is_forgotten_in_the_end(platform, wish):
    first = post(platform, wish).json
    age(platform, expires_at=now() - timedelta(seconds=1))
    with platform.database.write() as session:
        forget(session)
        assert session.query(IdempotentRequest).count() == 0
    assert post(platform, wish).json["id"] != first["id"]


def test_an_upload_that_is_begun_twice_is_one(platform):
    body = {"files": [{"field": "file", "name": "a.csv", "size": 4}]}
    headers = {"Idempotency-Key": "u-1"}
    first, second = (platform.client.post("/api/uploads/", json=body, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.headers["Location"] == second.headers["Location"]
    assert len(platform.client.get("/api/uploads/").json["items"]) == 1


def test_a_refusal_that_changed_something_is_repeated(platform):
    body = {"files": [{"field": "file", "name": "a.csv", "size": 4}]}
    upload = platform.client.post("/api/uploads/", json=body).json["id"]
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    platform.client.patch(f"/api/uploads/{upload}/", data=b"\0\0\0\0", headers=tus)
    url, headers = f"/api/uploads/{upload}/complete/", {"Idempotency-Key": "c-1"}
    first, second = (platform.client.post(url, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 422
    assert (first.json, second.headers.get("Idempotent-Replayed")) == (second.json, "true")
