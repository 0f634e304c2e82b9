"""What callbacks leave in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path

import pytest
from integration.metrics.running import AT, body, final, heartbeat, points, signed
from sqlalchemy import delete
from sqlalchemy.exc import DataError

from contracts.callback import TOKEN_HEADER, ArtifactInfo, Evaluation, sign_token
from contracts.events import Envelope
from runtime import log
from runtime.outbox import EventRow
from services.metrics.app import EXTENSION
from services.metrics.auth import Sender
from services.metrics.intake import _Callback
from services.metrics.models import Item, Job
from services.metrics.parsing import parse

FIXED = "f" * 32
MODEL = ArtifactInfo(name="model.pt", uri="s3://b/model.pt", size=10, sha256="0" * 64)


def send(client, raw, job_id="j", attempt=1, headers=None):
    headers = signed(raw, job_id, attempt) if headers is None else headers
    return client.patch(f"/api/training_jobs/{job_id}/metrics/", data=raw, headers=headers)


def with_fixed_token(job_id="j"):
    return {TOKEN_HEADER: sign_token(job_id, int(time.time()) + 900, FIXED)}


def curves(client, job_id="j", **query):
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    return client.get(f"/api/metrics/curves/?job={job_id}{asked}").json


def passed(step, *, best):
    matrix = [[1, 0], [0, 1]]
    return Evaluation(step=step, seq=step, epoch=step / 10, labels=["a", "b"], matrix=matrix, best=best)


def listed(client, job_id="j", after=0, limit=50):
    page = client.get(f"/api/metrics/?job={job_id}&after={after}&limit={limit}")
    assert page.status_code == 200
    return page.json


def everything(client, job_id="j"):
    items, last = [], 1
    while len(items) < last:
        page = listed(client, job_id, after=len(items))
        items, last = items + page["items"], page["last"]
    assert [item["seq"] for item in items] == list(range(1, last + 1))
    return items


def kinds(client, job_id="j"):
    return [
        item["data"]["state"] if item["kind"] == "state" else item["kind"]
        for item in everything(client, job_id)
    ]


def shuffled(chosen, things):
    return chosen.sample(things, len(things))


def events(database):
    with database.read() as session:
        rows = session.query(EventRow.envelope).order_by(EventRow.created_at)
        return [(row.envelope["event"], row.envelope["data"]) for row in rows]


def test_a_whole_run_becomes_numbered_items_and_two_events(client, database):
    evaluation = Evaluation(step=1, seq=1, epoch=1, labels=["a"], matrix=[[3]], best=True)
    assert send(client, body(points=points(0), heartbeat=heartbeat())).status_code == 204
    assert send(client, body(points=points(1), evaluations=[evaluation])).status_code == 204
    assert send(client, body(final=final(metrics={"f1": 0.5}, artifacts=[MODEL]))).status_code == 204
    items = everything(client)
    assert [(item["kind"], item["attempt"]) for item in items] == [
        ("state", 1),
        ("point", 1),
        ("point", 1),
        ("evaluation", 1),
        ("artifact", 1),
        ("state", 1),
    ]
    assert items[1]["at"] == "2026-01-01T00:00:00Z"
    assert items[1]["data"] == {"split": "train", "step": 0, "epoch": 0.0, "values": {"loss": 1.0}}
    assert items[3]["data"] == {"step": 1, "epoch": 1.0, "labels": ["a"], "matrix": [[3]], "best": True}
    assert items[4]["data"] == {"items": [MODEL.model_dump()]}
    assert items[5]["data"] == {"state": "succeeded", "reason": "", "metrics": {"f1": 0.5}}
    assert [name for name, _ in events(database)] == ["job.started.v1", "job.finished.v1"]
    assert events(database)[1][1]["metrics"] == {"f1": 0.5}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_point_writes_a_page_of_its_job_of_the_items_and_of_each_of_their_indexes(client, database):
    log = Path(f"{database.engine.url.database}-wal")
    send(client, body(points=points(0)))
    before = log.stat().st_size
    send(client, body(points=points(1), heartbeat=heartbeat()))
    assert log.stat().st_size - before == 4 * (24 + 4096)


@pytest.mark.parametrize("seed", range(3))
def test_points_permuted_and_repeated_leave_the_same_series(client, seed):
    chosen = random.Random(seed)
    sent = [*points(*range(60)), *points(*range(60), split="val")]
    batches = [sent[start : start + 7] for start in range(0, len(sent), 7)]
    for batch in shuffled(chosen, batches * 3):
        assert send(client, body(points=shuffled(chosen, batch + batch[:2]))).status_code == 204
    stored = [item["data"] for item in everything(client) if item["kind"] == "point"]
    order = lambda data: (data["split"], data["step"])  # noqa: E731 - a key
    expected = [json.loads(point.model_dump_json(exclude={"seq", "at"})) for point in sent]
    assert sorted(stored, key=order) == sorted(expected, key=order)


def test_a_repeat_changes_nothing_and_takes_no_number(client, database):
    raw = body(points=points(0, 1), final=final())
    assert [send(client, raw).status_code for _ in range(2)] == [204, 409]
    assert listed(client)["last"] == 4
    assert len(events(database)) == 2


def test_senders_at_the_same_time_get_numbers_without_a_gap(app, client):
    statuses = []

    def run(split):
        with app.test_client() as sender:
            statuses.extend(
                send(sender, body(points=points(step, step + 1, split=split))).status_code
                for step in range(15)
            )

    threads = [threading.Thread(target=run, args=(split,)) for split in ("train", "val", "system", "train")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {204}
    assert len(everything(client)) == 1 + 3 * 16


def test_an_older_heartbeat_does_not_replace_a_newer_one(client, database):
    for progress, seconds in ((0.5, 10), (0.4, 5)):
        send(client, body(heartbeat=heartbeat(progress, AT + timedelta(seconds=seconds))))
    with database.read() as session:
        assert json.loads(session.get(Job, "j").heartbeat)["progress"] == 0.5


class TestAttempts:
    def test_an_older_attempt_is_refused(self, client):
        send(client, body(attempt=2), attempt=2)
        refused = send(client, body(attempt=1, points=points(0)))
        assert (refused.status_code, refused.json["detail"]) == (
            409,
            "attempt 1 is over: attempt 2 has begun",
        )

    def test_a_newer_attempt_begins_again_after_the_end_of_the_last(self, client, database):
        send(client, body(final=final("failed", reason="boom")))
        assert send(client, body(attempt=2, points=points(0)), attempt=2).status_code == 204
        assert kinds(client) == ["running", "failed", "running", "point"]
        assert [data["attempt"] for _, data in events(database)] == [1, 1, 2]

    def test_after_the_end_and_the_grace_nothing_is_taken(self, client):
        send(client, body(final=final()))
        refused = send(client, body(points=points(5)))
        assert refused.status_code == 409
        assert "attempt 1 ended as succeeded" in refused.json["detail"]

    def test_within_the_grace_late_points_are_taken_but_a_second_end_is_not(self, app, client, database):
        app.extensions["triptych_metrics"].intake._grace_seconds = 60
        send(client, body(final=final()))
        assert send(client, body(points=points(5), final=final("failed"))).status_code == 204
        assert kinds(client) == ["running", "succeeded", "point"]
        assert len(events(database)) == 2

    def test_the_body_must_name_the_signed_attempt(self, client):
        refused = send(client, body(attempt=2))
        assert (refused.status_code, refused.json["errors"]) == (422, {"attempt": ["must be 1"]})


class TestFixedToken:
    def test_it_is_enough_for_a_job_launched_elsewhere(self, client):
        assert send(client, body(points=points(0)), headers=with_fixed_token()).status_code == 204

    def test_it_is_refused_once_version_2_was_seen(self, client):
        send(client, body())
        refused = send(client, body(points=points(0)), headers=with_fixed_token())
        assert refused.status_code == 401
        assert "only version 2" in refused.json["detail"]

    def test_it_is_refused_for_a_job_this_platform_launched(self, client, database):
        with database.write() as session:
            session.add(Job(job_id="j", launched=True))
        assert send(client, body(), headers=with_fixed_token()).status_code == 401
        assert send(client, body()).status_code == 204


class TestRefusals:
    def test_a_refusal_is_a_problem_document_that_names_the_check(self, client):
        raw = body(points=points(0))
        refused = send(client, raw, "other", headers=signed(raw, "j"))
        assert refused.content_type == "application/problem+json"
        assert refused.status_code == refused.json["status"] == 401
        assert "X-Callback-Token does not match this job" in refused.json["detail"]
        assert refused.headers["WWW-Authenticate"]
        assert listed(client, "other")["last"] == 0

    def test_a_header_sent_twice_is_refused(self, client):
        raw = body()
        refused = send(client, raw, headers=[*signed(raw).items(), *signed(raw).items()])
        assert (refused.status_code, "more than once" in refused.json["detail"]) == (401, True)

    def test_a_malformed_body_names_the_field(self, client):
        raw = body(points=points(0)).replace(b'"step":0', b'"step":-1')
        refused = send(client, raw)
        assert refused.status_code == 422
        assert list(refused.json["errors"]) == ["points.0.step"]

    @pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 9999, b'{"attempt":1e999}'])
    def test_rubbish_that_is_signed_is_still_a_422(self, client, raw):
        assert send(client, raw).status_code == 422

    @pytest.mark.parametrize("raw", [b"", b"[]", b"\xff"])
    def test_rubbish_that_is_not_signed_is_a_401(self, client, raw):
        assert send(client, raw, headers={}).status_code == 401

    def test_a_body_that_is_too_large_is_a_413(self, client):
        assert send(client, b" " * 200_001).status_code == 413

    @pytest.mark.parametrize("job_id", ["a b", "a.b", "é", "x" * 65, "a%00", "a%2Fb"])
    def test_an_odd_job_id_is_refused(self, client, job_id):
        for call in (
            send(client, b"{}", job_id, headers={}),
            client.get(f"/api/training_jobs/{job_id}/events/"),
        ):
            assert call.status_code in {400, 404, 422}

    def test_text_a_database_cannot_hold_is_stored_readably(self, client, database):
        assert send(client, body(final=final("failed", reason="bad\x00byte"))).status_code == 204
        assert everything(client)[-1]["data"]["reason"] == "bad\N{REPLACEMENT CHARACTER}byte"
        assert events(database)[1][1]["reason"] == "bad\N{REPLACEMENT CHARACTER}byte"


class TestHistory:
    def test_it_is_paged_and_capped(self, client):
        send(client, body(points=points(*range(80))))
        assert [item["seq"] for item in listed(client, after=3, limit=2)["items"]] == [4, 5]
        assert len(listed(client, limit=10_000)["items"]) == 50
        assert listed(client, after=81) == {"items": [], "last": 81}

    def test_a_job_nobody_reported_has_nothing_yet(self, client):
        assert listed(client, "nobody") == {"items": [], "last": 0}
        assert curves(client, "nobody") == {"items": [], "last": 0}

    def test_a_short_job_is_given_whole(self, client):
        send(client, body(points=points(*range(30))))
        assert curves(client, points=100) == listed(client, limit=50)

    def test_of_a_long_job_the_extremes_the_last_point_and_the_best_pass_are_given(self, client):
        measured = points(*range(400))
        measured[137].values["loss"] = 99.0
        measured[251].values["loss"] = -99.0
        send(client, body(attempt=1, points=points(*range(5))), attempt=1)
        send(client, body(attempt=2, points=measured[:300], evaluations=[passed(10, best=True)]), attempt=2)
        rest = [passed(20, best=True), passed(30, best=False), passed(40, best=False)]
        send(client, body(attempt=2, points=measured[300:], evaluations=rest), attempt=2)
        page = curves(client, points=40)
        assert page["last"] == listed(client)["last"]
        kinds = [item["kind"] for item in page["items"]]
        steps = [item["data"]["step"] for item in page["items"] if item["kind"] == "point"]
        assert len(steps) <= 40
        assert {137, 251, 399} <= set(steps)
        assert steps == sorted(steps)
        assert {item["attempt"] for item in page["items"] if item["kind"] == "point"} == {2}
        assert [item["data"]["step"] for item in page["items"] if item["kind"] == "evaluation"] == [20, 40]
        assert kinds.count("state") == 2, "each attempt's running"

    def test_some_epochs_are_given_more_finely(self, client):
        send(client, body(points=points(*range(400))))
        page = curves(client, points=400, first_epoch=2, last_epoch=3)
        assert [item["data"]["step"] for item in page["items"]] == list(range(20, 31))
        assert curves(client, points=400, first_epoch=90, last_epoch=99)["items"] == []

    def test_a_later_look_holds_what_has_come_since(self, client):
        measured = points(*range(600))
        measured[450].values["loss"] = 99.0
        send(client, body(points=measured[:300]))
        before = curves(client, points=40)
        assert curves(client, points=40) == before
        send(client, body(points=measured[300:], evaluations=[passed(10, best=True)]))
        page = curves(client, points=40)
        steps = [item["data"]["step"] for item in page["items"] if item["kind"] == "point"]
        assert len(steps) <= 40
        assert {0, 450, 599} <= set(steps)
        assert page["items"][-1]["kind"] == "evaluation"
        assert page["last"] == 602
        send(client, body(attempt=2, points=points(*range(50))), attempt=2)
        later = curves(client, points=40)["items"]
        assert {item["attempt"] for item in later if item["kind"] == "point"} == {2}

    def test_history_is_compressed_and_streams_are_not(self, client):
        send(client, body(points=points(*range(30)), final=final()))
        accepted = {"Accept-Encoding": "gzip"}
        asked = client.get("/api/metrics/curves/?job=j", headers=accepted)
        assert asked.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(asked.data)) == curves(client)
        assert "Content-Encoding" not in client.get("/api/training_jobs/j/events/", headers=accepted).headers

    def test_a_restored_backup_is_looked_at_anew(self, client, database):
        send(client, body(points=points(*range(300))))
        curves(client, points=40)
        with database.write() as session:
            session.execute(delete(Item).where(Item.seq > 100))
            session.get_one(Job, "j").last_seq = 100
        page = curves(client, points=40)
        assert (page["last"], page["items"][-1]["seq"]) == (100, 100)

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "job"),
            ("job=a.b", "job"),
            ("job=j&after=-1", "after"),
            ("job=j&after=x", "after"),
            ("job=j&after=1e3", "after"),
            ("job=j&limit=0", "limit"),
        ],
    )
    def test_a_bad_query_names_the_field(self, client, query, field):
        refused = client.get(f"/api/metrics/?{query}")
        assert (refused.status_code, list(refused.json["errors"]["query"])) == (422, [field])
        assert refused.content_type == "application/problem+json"


def test_the_routes_are_described(client):
    described = client.get("/api/metrics/openapi.json").json
    assert set(described["paths"]) == {
        "/api/training_jobs/{job_id}/metrics/",
        "/api/training_jobs/{job_id}/events/",
        "/api/metrics/",
        "/api/metrics/curves/",
        "/api/changes/",
    }
    assert "Point" in described["components"]["schemas"]


class TestTogether:
    """Callbacks of one moment share a transaction, and nothing else."""

    @pytest.fixture
    def intake(self, app):
        return app.extensions[EXTENSION].intake

    def callback(self, job_id, raw, attempt=1):
        return _Callback(job_id, Sender(attempt), parse(raw), copy_context())

    def test_each_gets_its_own_answer_and_the_others_are_stored(self, client, intake):
        assert send(client, body(attempt=2), "newer", attempt=2).status_code == 204
        errors = intake._store_each(
            [
                self.callback("a", body(points=points(0, 1), heartbeat=heartbeat(0.5))),
                self.callback("newer", body(points=points(0))),
                self.callback("b", body(points=points(0))),
                self.callback("a", body(points=points(1, 2))),
                self.callback("b", body(points=points(1), final=final("failed", reason="\x00"))),
            ]
        )
        assert [type(error).__name__ for error in errors] == [
            "NoneType",
            "Conflict",
            "NoneType",
            "NoneType",
            "NoneType",
        ]
        assert kinds(client, "a") == ["running", "point", "point", "point"]
        assert kinds(client, "b") == ["running", "point", "point", "failed"]
        assert kinds(client, "newer") == ["running"]

    def test_one_that_the_database_will_not_have_costs_the_others_nothing(self, client, intake, monkeypatch):
        take = intake._take

        def choosy(session, told, callback):
            take(session, told, callback)
            if callback.job_id == "bad":
                raise DataError("INSERT", {}, ValueError("will not have it"))

        monkeypatch.setattr(intake, "_take", choosy)
        wishes = [self.callback(name, body(points=points(0))) for name in ("a", "bad", "b")]
        errors = intake._store_each(wishes)
        assert [type(error).__name__ for error in errors] == ["NoneType", "DataError", "NoneType"]
        assert kinds(client, "a") == kinds(client, "b") == ["running", "point"]
        assert listed(client, "bad")["items"] == []

    def test_events_carry_the_ids_of_their_own_request(self, intake, database):
        wishes = []
        for name in ("a", "b"):
            with log.bound(request_id=f"of-{name}", job_id=name):
                wishes.append(self.callback(name, body()))
        assert intake._store_each(wishes) == [None, None]
        with database.read() as session:
            told = [Envelope.model_validate(row.envelope) for row in session.query(EventRow)]
        assert {each.data["job_id"]: each.correlation["request_id"] for each in told} == {
            "a": "of-a",
            "b": "of-b",
        }
