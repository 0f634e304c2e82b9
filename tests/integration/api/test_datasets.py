"""Data sets over REST: upload, look, override, delete; and every refusal."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text

from contracts.events import (
    DatasetSchemaFailed,
    DatasetStaged,
    DatasetStagingFailed,
    DatasetStagingProgressed,
)
from runtime.db import now
from services.api.files import Files
from services.api.models import Dataset, Job

pytestmark = pytest.mark.sqlite


@pytest.fixture
def uploaded(platform):
    response = platform.upload(name="Pets")
    assert response.status_code == 201, response.text
    return response.json


def test_an_upload_is_answered_with_the_schema_of_its_first_rows_and_told_to_both_tracks(platform, uploaded):
    assert (uploaded["name"], uploaded["state"], uploaded["files"]) == ("Pets", "uploaded", 3)
    types = {column["name"]: column["type"] for column in uploaded["schema"]["columns"]}
    assert types == {"photo": "image", "age": "numeric", "note": "text", "label": "categorical"} | {
        "label": types["label"]
    }
    assert types["label"] in {"categorical", "boolean"}
    assert platform.emitted() == [
        ("dataset.uploaded.v1", "ingest.schema"),
        ("dataset.uploaded.v1", "ingest.staging"),
    ]
    assert (platform.settings.spool_dir / uploaded["id"] / "files/photos/p0.png").exists()


def test_it_is_listed_found_by_name_and_shown(platform, uploaded):
    page = platform.client.get("/api/datasets/?search=pet").json
    assert (page["total"], page["items"][0]["id"]) == (1, uploaded["id"])
    assert platform.client.get("/api/datasets/?search=100%25").json["total"] == 0
    assert platform.client.get(f"/api/datasets/{uploaded['id']}/").json["id"] == uploaded["id"]


def test_the_preview_has_rows_thumbnails_and_statistics(platform, uploaded):
    preview = platform.client.get(f"/api/datasets/{uploaded['id']}/preview/?rows=4").json
    assert preview["columns"] == ["photo", "age", "note", "label"]
    assert len(preview["rows"]) == 4
    assert preview["thumbnails"][3] == {"photo": None}
    assert preview["column_stats"][1]["statistics"]["maximum"] == pytest.approx(58.5)
    image = platform.client.get(preview["thumbnails"][0]["photo"] + "?size=32")
    assert (image.status_code, image.mimetype) == (200, "image/webp")


@pytest.mark.parametrize("number", ["-1.7976931348623157e308", "9" * 400])
def test_a_number_near_or_beyond_the_largest_float_is_taken_and_answered_in_json(platform, number):
    rows = "".join(f"{number if n == 3 else n % 7 / 2},{'ab'[n % 2]}\n" for n in range(40))
    dataset = platform.upload(f"size,label\n{rows}", images=0)
    assert dataset.status_code == 201, dataset.text
    wish = {"dataset_id": dataset.json["id"], "model": "dummy_model", "target": "label"}
    answers = [
        dataset,
        platform.client.get(f"/api/datasets/{dataset.json['id']}/"),
        platform.client.get(f"/api/datasets/{dataset.json['id']}/preview/"),
        platform.client.post("/api/training_jobs/preflight/", json=wish),
    ]
    for answer in answers:
        assert answer.status_code in {200, 201}, answer.text
        assert not re.search(r"\b(NaN|Infinity)\b", answer.text)


def test_thumbnails_are_read_from_the_store_once_the_spool_is_gone(platform, uploaded):
    key = f"datasets/{uploaded['id']}/images/photos/p0.png"
    path = platform.settings.spool_dir / uploaded["id"] / "files/photos/p0.png"
    platform.store.put_bytes(key, path.read_bytes())
    platform.stage(uploaded["id"])
    assert not path.exists()
    url = f"/api/datasets/{uploaded['id']}/files"
    assert platform.client.get(f"{url}/photos/p0.png").status_code == 200
    assert platform.client.get(f"{url}/photos/p9.png").status_code == 404


def test_a_thumbnail_is_shown_although_its_data_set_is_staged_that_moment(platform, uploaded, monkeypatch):
    key = f"datasets/{uploaded['id']}/images/photos/p0.png"
    path = platform.settings.spool_dir / uploaded["id"] / "files/photos/p0.png"
    platform.store.put_bytes(key, path.read_bytes())
    thumbnail = Files.thumbnail

    def staged_meanwhile(files, dataset, *arguments):
        if path.exists():
            platform.stage(
                uploaded["id"]
            )  # after the data set was looked up: its row still knows of no store
        return thumbnail(files, dataset, *arguments)

    monkeypatch.setattr(Files, "thumbnail", staged_meanwhile)
    assert platform.client.get(f"/api/datasets/{uploaded['id']}/files/photos/p0.png").status_code == 200
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "status"),
    [("../table.csv", 422), ("%2e%2e/table.csv", 422), ("nope.png", 404)],
)
def test_only_a_data_sets_own_files_are_shown(platform, uploaded, path, status):
    response = platform.client.get(f"/api/datasets/{uploaded['id']}/files/{path}")
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"


def test_a_file_that_is_no_image_is_a_clear_refusal(platform):
    dataset = platform.upload(images=0, archive=(io.BytesIO(b""), "")).json
    folder = platform.settings.spool_dir / dataset["id"] / "files"
    (folder / "a.png").write_bytes(b"not an image")
    response = platform.client.get(f"/api/datasets/{dataset['id']}/files/a.png")
    assert response.status_code == 422
    assert "not an image" in response.json["detail"]


def test_schema_overrides_are_kept_and_returned(platform, uploaded):
    url = f"/api/datasets/{uploaded['id']}/schema/"
    body = {"columns": {"age": {"type": "categorical"}}, "target": "label"}
    changed = platform.client.patch(url, json=body)
    assert changed.status_code == 200, changed.text
    shown = platform.client.get(url).json
    age = next(column for column in shown["columns"] if column["name"] == "age")
    assert (age["type"], age["overridden"], shown["target"]) == ("categorical", True, "label")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"columns": {"nope": {"type": "text"}}}, "there is no column 'nope'"),
        ({"columns": {"age": {"type": "number"}}}, "Must be one of: numeric, categorical"),
        ({"columns": {"age": {"colour": "red"}}}, "Unknown field"),
        ({"target": "photo"}, "names images"),
        ({"surprise": 1}, "surprise: Unknown field"),
        ([], "Invalid input type"),
    ],
)
def test_a_bad_override_is_refused_and_says_why(platform, uploaded, body, complaint):
    response = platform.client.patch(f"/api/datasets/{uploaded['id']}/schema/", json=body)
    assert response.status_code == 422
    assert complaint in response.json["detail"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 200, "pets.csv"),
        (b"PK\x03\x04" + b"\0" * 200, "pets.csv"),
    ],
)
def test_what_is_no_table_is_refused_and_not_kept(platform, table, complaint):
    response = platform.upload(table)
    assert response.status_code == 422
    assert complaint in response.json["detail"]
    assert list(platform.settings.spool_dir.iterdir()) == []
    assert platform.emitted() == []


def test_a_body_that_is_no_form_is_refused(platform):
    response = platform.client.post("/api/datasets/upload_and_detect/", json={"file": "x"})
    assert response.status_code == 422
    assert "multipart/form-data" in response.json["detail"]


def test_a_body_over_the_limit_is_refused(platform):
    response = platform.upload(b"a,b\n" + b"1,2\n" * 80_000)
    assert response.status_code == 413
    assert list(platform.settings.spool_dir.iterdir()) == []


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=0", "page=99999999999999999999"])
def test_bad_paging_is_refused(platform, query):
    response = platform.client.get(f"/api/datasets/?{query}")
    assert response.status_code == 422
    assert "page" in response.json["detail"]


@pytest.mark.parametrize("cursor", ["x", "nan-a", "1e999-a", "-"])
def test_a_cursor_that_no_list_gave_is_refused(platform, cursor):
    response = platform.client.get(f"/api/datasets/?cursor={cursor}")
    assert response.status_code == 422
    assert "cursor" in response.json["detail"]


def test_a_walk_by_cursor_meets_each_data_set_once_although_others_come_and_go(platform, database):
    moment = now()
    with database.write() as session:
        for number in range(23):  # several at the same moment
            session.add(entry(number, moment + timedelta(seconds=number // 4)))
    met, cursor = [], ""
    while cursor is not None:
        page = platform.client.get(f"/api/datasets/?search=PETS&page_size=5&cursor={cursor}").json
        assert page["total"] >= 22
        met += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        with database.write() as session:
            session.add(entry(100 + len(met), moment + timedelta(hours=1)))
            session.execute(delete(Dataset).where(Dataset.id == f"{22:032x}"))
    assert met == [f"{number:032x}" for number in range(22, -1, -1)]
    plain = platform.client.get("/api/datasets/?search=pets&page=2&page_size=20").json
    assert (len(plain["items"]), plain["next_cursor"]) == (plain["total"] - 20, None)


def entry(number, moment):
    return Dataset(
        id=f"{number:032x}", name=f"Pets {number}", state="ready", created_at=moment, table_name="t.csv", table_bytes=1,
        files=0, file_bytes=0, detected={}, preview={},
    )  # fmt: skip


@pytest.mark.parametrize(("table", "index"), [(Dataset, "ix_api_datasets_list"), (Job, "ix_api_jobs_list")])
def test_the_index_alone_serves_a_search(database, table, index):
    query = (
        select(table.created_at, table.id)
        .where(table.workspace_id == "default", table.name.icontains("a"))
        .order_by(table.created_at.desc(), table.id.desc())
        .limit(25)
    )
    plan = "EXPLAIN QUERY PLAN " if database.engine.dialect.name == "sqlite" else "EXPLAIN "
    with database.read() as session:
        if database.engine.dialect.name == "postgresql":
            for other in ("seqscan", "bitmapscan", "sort"):  # which an empty table is read by
                session.execute(text(f"SET LOCAL enable_{other} = off"))
        compiled = query.compile(database.engine, compile_kwargs={"literal_binds": True})
        told = " ".join(str(row) for row in session.execute(text(plan + str(compiled).replace("%%", "%"))))
    assert re.search(f"(COVERING INDEX|Index Only Scan Backward using) {index}", told), told


@pytest.mark.parametrize("path", ["", "preview/", "schema/", "files/a.png"])
def test_an_unknown_data_set_is_not_found(platform, path):
    response = platform.client.get(f"/api/datasets/nope/{path}")
    assert response.status_code == 404
    assert "'nope'" in response.json["detail"]


def test_both_tracks_make_it_ready_and_free_the_spool(platform, uploaded):
    platform.hear(DatasetStagingProgressed(dataset_id=uploaded["id"], bytes_done=5, bytes_total=10))
    track = platform.client.get(f"/api/datasets/{uploaded['id']}/").json["staging_track"]
    assert (track["state"], track["bytes_done"]) == ("running", 5)
    platform.stage(uploaded["id"])
    shown = platform.client.get(f"/api/datasets/{uploaded['id']}/").json
    assert (shown["state"], shown["schema"]["complete"]) == ("ready", True)
    assert not (platform.settings.spool_dir / uploaded["id"]).exists()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda key: DatasetSchemaFailed(dataset_id=key, reason="no columns"), "no columns"),
        (lambda key: DatasetStagingFailed(dataset_id=key, reason="no bucket"), "no bucket"),
    ],
)
def test_a_failed_track_rejects_the_data_set_with_its_reason(platform, uploaded, make, reason):
    platform.hear(make(uploaded["id"]))
    shown = platform.client.get(f"/api/datasets/{uploaded['id']}/").json
    assert (shown["state"], shown["reason"]) == ("rejected", reason)


def test_deleting_removes_rows_and_spool_and_tells_ingest(platform, uploaded):
    url = f"/api/datasets/{uploaded['id']}/"
    assert platform.client.delete(url).status_code == 204
    assert platform.client.get(url).status_code == 404
    assert not (platform.settings.spool_dir / uploaded["id"]).exists()
    assert platform.emitted()[-1] == ("dataset.deleted.v1", "ingest.staging")
    platform.hear(
        DatasetStaged(
            dataset_id=uploaded["id"], train_file="s3://x/y", train_folder=None, bytes_total=1, files=0
        )
    )
    assert platform.client.get(url).status_code == 404


def test_the_openapi_page_lists_every_route(platform):
    paths = platform.client.get("/api/openapi.json").json["paths"]
    assert {
        "/api/datasets/upload_and_detect/",
        "/api/datasets/{dataset_id}/schema/",
        "/api/training_jobs/{job_id}/start/",
        "/api/artifacts/",
        "/api/models/",
    } <= set(paths)
    assert {"head", "get", "patch", "delete"} <= set(paths["/api/uploads/{upload_id}/"])
    headers = {
        p["name"] for p in paths["/api/uploads/{upload_id}/"]["patch"]["parameters"] if p["in"] == "header"
    }
    assert headers == {"Tus-Resumable", "Upload-Offset", "Upload-Checksum"}


def test_probes(platform):
    assert platform.client.get("/healthz").json == {"status": "ok"}
    ready = platform.client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json["checks"]["database"] == "ok"
    assert "ConnectionError" in ready.json["checks"]["redis"]
