"""Limits on how much the platform takes on: exact under parallel requests, told in full, and true after deletions."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from integration.api.conftest import TABLE, Platform
from sqlalchemy import delete, func, insert, select, update

from runtime.db import now
from runtime.outbox import Delivery, EventRow
from services.api.models import Dataset, Job, OpenUpload

WISH = {"model": "dummy_model", "target": "label"}
RACERS = 8


@pytest.fixture
def limited(platform, database):
    """Make the same platform with other settings."""
    made = []

    def make(**settings) -> Platform:
        made.append(Platform(platform.settings.model_copy(update=settings), database))
        return made[-1]

    yield make
    for each in made:
        each.app.extensions["triptych"].db.engine.dispose()


def begin(platform, size=100):
    files = [{"field": "file", "name": "a.csv", "size": size}]
    return platform.another_client().post("/api/uploads/", json={"files": files})


def staged(platform):
    dataset = platform.upload(images=0).json["id"]
    platform.stage(dataset)
    return dataset


def created(platform, dataset, **more):
    return platform.another_client().post("/api/training_jobs/", json={**WISH, "dataset_id": dataset, **more})


def start(platform, job):
    return platform.another_client().post(f"/api/training_jobs/{job}/start/")


def race(act, arguments):
    """Let all act at one moment."""
    arguments = list(arguments)
    gate = Barrier(len(arguments))

    def run(argument):
        gate.wait()
        return act(argument).status_code

    with ThreadPoolExecutor(len(arguments)) as pool:
        return sorted(pool.map(run, arguments))


def count(database, what, *conditions) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(what).where(*conditions))


# --- no parallel request passes a limit


def test_of_many_uploads_begun_at_once_as_many_pass_as_allowed(limited, database):
    platform = limited(max_open_uploads=3)
    answers = race(lambda _n: begin(platform), range(RACERS))
    assert answers == [201] * 3 + [429] * (RACERS - 3)
    assert count(database, OpenUpload) == 3
    assert len(list(platform.settings.spool_dir.iterdir())) == 3


def test_of_many_data_sets_posted_at_once_as_many_pass_as_allowed(limited, database):
    platform = limited(quota_datasets=3)
    answers = race(
        lambda n: platform.another_client().post(
            "/api/datasets/upload_and_detect/",
            data={"file": (io.BytesIO(TABLE.encode()), f"{n}.csv")},
        ),
        range(RACERS),
    )
    assert answers == [201] * 3 + [429] * (RACERS - 3)
    assert count(database, Dataset) == 3
    assert len(list(platform.settings.spool_dir.iterdir())) == 3


def test_of_many_bytes_sent_at_once_as_many_pass_as_allowed(limited):
    platform = limited(quota_bytes=1000)
    assert race(lambda _n: begin(platform, 300), range(RACERS)) == [201] * 3 + [507] * (RACERS - 3)


def test_of_many_jobs_started_at_once_as_many_pass_as_allowed(limited, database):
    platform = limited(quota_active_jobs=3)
    dataset = staged(platform)
    ids = [created(platform, dataset).json["id"] for _ in range(RACERS)]
    assert race(lambda job: start(platform, job), ids) == [202] * 3 + [429] * (RACERS - 3)
    assert count(database, Job, Job.state == "queued") == 3


def test_of_many_jobs_made_at_once_as_many_pass_as_allowed(limited, database):
    platform = limited(quota_created_jobs=3)
    dataset = staged(platform)
    assert race(lambda _n: created(platform, dataset), range(RACERS)) == [201] * 3 + [429] * (RACERS - 3)
    assert count(database, Job) == 3


def test_jobs_of_one_data_set_that_are_made_and_started_at_once_all_pass(limited, database):
    platform = limited()
    dataset = staged(platform)
    assert race(lambda _n: created(platform, dataset, start=True), range(RACERS)) == [201] * RACERS
    assert count(database, Job, Job.launch_requested) == RACERS


# --- what a refusal says


def test_a_full_number_of_jobs_is_told_and_starting_one_again_changes_nothing(limited, database):
    platform = limited(quota_active_jobs=1)
    dataset = staged(platform)
    running, other = (created(platform, dataset).json["id"] for _ in range(2))
    assert start(platform, running).status_code == 202
    refused = start(platform, other)
    assert refused.status_code == 429
    assert refused.content_type == "application/problem+json"
    assert refused.json["title"] == "Too Many Requests"
    assert refused.json["detail"] == (
        "1 jobs are queued or running, and 1 is the most allowed (QUOTA_ACTIVE_JOBS); cancel one, or wait until one ends. "
        "0 ended within the last hour."
    )
    assert refused.json["limit"] == {"setting": "QUOTA_ACTIVE_JOBS", "most": 1, "used": 1}
    assert refused.headers["Retry-After"] == "3600"
    assert start(platform, running).status_code == 202
    made = created(platform, dataset, start=True)
    assert (made.status_code, count(database, Job)) == (429, 2), "a job that may not start is not made"
    assert platform.client.post(f"/api/training_jobs/{running}/cancel/").status_code == 202
    with database.write() as session:  # as the launcher's answer would
        ended = update(Job).where(Job.id == running)
        session.execute(ended.values(state="cancelled", finished_at=now()))
    assert start(platform, other).status_code == 202
    again = platform.client.post(f"/api/training_jobs/{running}/retry/")
    assert (again.status_code, again.headers["Retry-After"]) == (429, "3600"), "one ended in the last hour"


def test_a_full_number_of_jobs_that_nobody_starts_is_told(limited, database):
    platform = limited(quota_created_jobs=2)
    dataset = staged(platform)
    first, other = (created(platform, dataset).json["id"] for _ in range(2))
    refused = created(platform, dataset)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert refused.json["limit"] == {"setting": "QUOTA_CREATED_JOBS", "most": 2, "used": 2}
    assert "start or cancel some" in refused.json["detail"]
    assert count(database, Job) == 2, "a job that may not be made is not made"
    assert created(platform, dataset, start=True).status_code == 201, (
        "one that starts at once waits for nobody"
    )
    assert start(platform, first).status_code == 202
    assert created(platform, dataset).status_code == 201
    assert created(platform, dataset).status_code == 429
    assert platform.client.post(f"/api/training_jobs/{other}/cancel/").status_code == 202
    assert created(platform, dataset).status_code == 201


def test_jobs_that_end_often_are_waited_for_briefly(limited, database):
    platform = limited(quota_active_jobs=1)
    dataset = staged(platform)
    first, second, *ended = (created(platform, dataset).json["id"] for _ in range(6))
    with database.write() as session:
        values = {"state": "succeeded", "finished_at": now()}
        session.execute(update(Job).where(Job.id.in_(ended)).values(**values))
    start(platform, first)
    assert start(platform, second).headers["Retry-After"] == "900"


def test_uploads_under_way_tell_when_the_first_should_end(limited, database):
    platform = limited(max_open_uploads=1)
    upload = begin(platform, 100).json["id"]
    assert begin(platform).headers["Retry-After"] == "3600", "nobody knows, and the most is an hour"
    with database.write() as session:
        begun = update(OpenUpload).where(OpenUpload.id == upload)
        session.execute(begun.values(offset=50, created_at=now() - timedelta(seconds=60)))
    assert 55 <= int(begin(platform).headers["Retry-After"]) <= 90, "half took a minute"


def test_bytes_count_what_is_there_and_what_is_to_come_and_nothing_that_was_deleted(limited, database):
    size = len(TABLE.encode())
    platform = limited(quota_bytes=2 * size + 10)
    first = platform.upload(images=0).json["id"]
    coming = begin(platform, size).json["id"]
    refused = platform.upload(images=0)
    assert refused.status_code == 507
    assert refused.json["title"] == "Insufficient Storage"
    assert refused.json["limit"] == {
        "setting": "QUOTA_BYTES",
        "most": 2 * size + 10,
        "used": 2 * size,
    }
    assert (
        f"The upload has {size} bytes; data sets and uploads under way have {2 * size}"
        in (refused.json["detail"])
    )
    assert "Retry-After" not in refused.headers, "RFC 4918: a person must ask again"
    assert len(list(platform.settings.spool_dir.iterdir())) == 2, "nothing of the refused one is left"
    tus = {"Tus-Resumable": "1.0.0"}
    assert platform.client.delete(f"/api/uploads/{coming}/", headers=tus).status_code == 204
    assert platform.upload(images=0).status_code == 201
    assert platform.upload(images=0).status_code == 507
    assert platform.client.delete(f"/api/datasets/{first}/").status_code == 204
    assert platform.upload(images=0).status_code == 201
    never = begin(platform, 3 * size)
    assert (never.status_code, never.json["title"]) == (413, "Request Entity Too Large")
    assert "all data sets together may have" in never.json["detail"]


def test_what_unpacks_to_more_than_there_is_room_for_waits_for_room(limited):
    table = TABLE.encode() + b"p1.png,1,many words,cat\n" * 500
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", table)
    raw = out.getvalue()
    platform = limited(quota_bytes=len(table) + len(TABLE) - 1)
    other = platform.upload(images=0).json["id"]
    files = [{"field": "archive", "name": "t.zip", "size": len(raw)}]
    url = f"/api/uploads/{platform.client.post('/api/uploads/', json={'files': files}).json['id']}/"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    sent = platform.client.patch(
        url, data=raw, headers=headers, content_type="application/offset+octet-stream"
    )
    assert sent.status_code == 204
    assert platform.client.post(f"{url}complete/").status_code == 507
    assert platform.client.get(url).json["state"] == "open"
    assert platform.client.delete(f"/api/datasets/{other}/").status_code == 204
    made = platform.client.post(f"{url}complete/")
    assert (made.status_code, made.json["bytes"]) == (201, len(table))


def test_data_sets_are_counted_with_the_uploads_that_become_them(limited):
    platform = limited(quota_datasets=2)
    assert begin(platform).status_code == 201
    assert platform.upload(images=0).status_code == 201
    for refused in (begin(platform), platform.upload(images=0)):
        assert refused.status_code == 429
        assert refused.json["limit"] == {"setting": "QUOTA_DATASETS", "most": 2, "used": 2}
        assert "delete one that is no longer needed" in refused.json["detail"]
        assert refused.headers["Retry-After"] == "3600"


def test_no_limit_is_zero(limited):
    nothing = dict.fromkeys(
        (
            "max_open_uploads",
            "quota_datasets",
            "quota_bytes",
            "quota_active_jobs",
            "quota_created_jobs",
            "max_queued",
        ),
        0,
    )
    platform = limited(**nothing, min_free_bytes=0)
    assert begin(platform).status_code == 201
    assert start(platform, created(platform, staged(platform)).json["id"]).status_code == 202


# --- queues


def fill(database, queue, messages=5):
    with database.write() as session:
        session.execute(insert(EventRow).values(id="e", envelope={}, created_at=0.0))
        session.execute(insert(Delivery), [{"event_id": "e", "queue": queue}] * messages)


def test_a_long_queue_refuses_what_would_lengthen_it_and_only_that(limited, database):
    platform = limited(max_queued=5)
    dataset = staged(platform)
    job = created(platform, dataset).json["id"]
    with database.write() as session:
        session.execute(delete(Delivery))
    fill(database, "launcher")
    for refused in (start(platform, job), created(platform, dataset, start=True)):
        assert refused.status_code == 429
        assert refused.json["limit"] == {"setting": "MAX_QUEUED", "most": 5, "used": 5}
        assert (
            "5 messages wait in the queue launcher, and from 5 on (MAX_QUEUED) nothing is added"
            in (refused.json["detail"])
        )
        assert refused.headers["Retry-After"] == "30"
    assert platform.upload(images=0).status_code == 201
    assert begin(platform).status_code == 201
    cancelled = platform.client.post(f"/api/training_jobs/{job}/cancel/")
    assert cancelled.status_code == 202, "what shortens the work is never refused"


@pytest.mark.parametrize(("queue", "uploads"), [("ingest.staging", 429), ("ingest.schema", 429)])
def test_uploads_wait_for_both_queues_of_theirs(limited, database, queue, uploads):
    platform = limited(max_queued=5)
    fill(database, queue)
    assert platform.upload(images=0).status_code == uploads
    assert begin(platform).status_code == uploads
    assert list(platform.settings.spool_dir.iterdir()) == []


def test_predictions_wait_for_theirs(limited, database):
    platform = limited(max_queued=5)
    fill(database, "predictor")
    wish = {"job_id": "any", "dataset_id": "any"}
    assert platform.client.post("/api/predictions/", json=wish).status_code == 429


# --- the page of all of them


def test_every_limit_is_shown_as_it_stands(limited):
    platform = limited(quota_bytes=10**9)
    platform.upload(images=0)
    begin(platform, 7)
    fresh = limited(quota_bytes=10**9)  # else a queue's length would be that of a second ago
    shown = fresh.client.get("/api/maintenance/").json
    figures = {each["setting"]: (each["used"], each["most"]) for each in shown["limits"][:5]}
    assert figures == {
        "QUOTA_ACTIVE_JOBS": (0, 20_000),
        "QUOTA_CREATED_JOBS": (0, 20_000),
        "QUOTA_DATASETS": (2, 100_000),
        "QUOTA_BYTES": (len(TABLE) + 7, 10**9),
        "MAX_OPEN_UPLOADS": (1, 100),
    }
    queues = {each["counts"].split()[-1]: each["used"] for each in shown["limits"][5:]}
    assert queues["ingest.schema"] == queues["ingest.staging"] == 1
    assert shown["free_bytes"] > 0
    assert (shown["removals"], shown["removals_total"]) == ([], 0)
