"""Every list can be walked by cursor, in either direction, while rows come and go; a cursor counts for its own order only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from runtime.outbox import DEAD, Delivery, EventRow
from services.api.models import Dataset, Job, Prediction

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
NUMBER = count(1)


def dataset(identity: str, minute: int) -> Dataset:
    return Dataset(
        id=identity, name=f"pets {minute % 3}", state="ready", created_at=BEGAN + timedelta(minutes=minute // 2), table_name="t",
        table_bytes=1, files=0, file_bytes=0, detected={}, preview={}, overrides={},
    )  # fmt: skip


def job(identity: str, minute: int) -> Job:
    return Job(
        id=identity, name=f"run {minute % 3}", dataset_id="d0", model="trees", target="t", settings={}, state="failed",
        created_at=BEGAN + timedelta(minutes=minute // 2), finished_at=BEGAN + timedelta(minutes=minute // 4),
    )  # fmt: skip


def prediction(identity: str, minute: int) -> Prediction:
    return Prediction(
        id=identity, job_id="j0", name="row", state="succeeded", contributions=False,
        created_at=BEGAN + timedelta(minutes=minute // 2),
    )  # fmt: skip


def delivery(identity: str, minute: int) -> list[object]:
    envelope = {"event": "job.lost.v1", "data": {"job_id": identity}}
    return [
        EventRow(id=identity, envelope=envelope, created_at=float(minute)),
        Delivery(event_id=identity, queue="api", state=DEAD, handled_at=1.0),
    ]


LISTS = {
    "/api/datasets/?order=created": dataset,
    "/api/datasets/?order=name": dataset,
    "/api/training_jobs/?order=created": job,
    "/api/training_jobs/?order=ended": job,
    "/api/training_jobs/?order=name": job,
    "/api/predictions/?": prediction,
    "/api/deliveries/?": delivery,
}


def add(database, make, *minutes: int, identity: str | None = None) -> None:
    with database.write() as session:
        for minute in minutes:
            made = make(identity or f"x{next(NUMBER)}", minute)
            for row in made if isinstance(made, list) else [made]:
                session.add(row)
                session.flush()


def test_a_walk_by_cursor_meets_each_row_once_although_others_come(platform, database, subtests):
    add(database, dataset, 0, identity="d0")
    add(database, job, 0, identity="j0")
    for url, make in LISTS.items():
        for direction in ("desc", "asc"):
            with subtests.test(f"{url} {direction}"):
                add(database, make, *range(5))
                first = f"{url}&direction={direction}&page_size=6"
                there = [
                    row["id"] for row in platform.client.get(f"{url}&direction={direction}").json["items"]
                ]
                met, cursor = [], ""
                while cursor is not None:
                    page = platform.client.get(f"{first}&cursor={cursor}" if cursor else first).json
                    met += [row["id"] for row in page["items"]]
                    cursor = page["next_cursor"]
                    # Before all others by every order that falls, after them by every one that rises
                    add(database, make, 1_000)
                assert [one for one in met if one in there] == there
                assert len(met) == len(set(met))


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_a_cursor_of_another_order_is_refused(platform, database, subtests):
    add(database, dataset, *range(3))
    cursor = platform.client.get("/api/datasets/?page_size=1").json["next_cursor"]
    wrong = (
        f"/api/datasets/?cursor={cursor}&direction=asc",
        f"/api/datasets/?cursor={cursor}&order=name",
        f"/api/predictions/?cursor={cursor[:-2]}",
        "/api/deliveries/?cursor=WyJudW1iZXIiLHRydWUsIngiLDFd",
    )
    for url in wrong:
        with subtests.test(url):
            refused = platform.client.get(url)
            assert refused.status_code == 422
            assert "cursor" in refused.json["errors"]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_lists_can_be_narrowed_to_a_state(platform, database):
    add(database, dataset, 0, identity="d0")
    add(database, job, 0, identity="j0")
    add(database, prediction, 0)
    for url in ("/api/datasets/?state=", "/api/training_jobs/?state=", "/api/predictions/?state="):
        found = [
            platform.client.get(url + state).json["total"]
            for state in (("ready", "rejected") if "datasets" in url else ("failed", "succeeded"))
        ]
        assert sorted(found) == [0, 1]
