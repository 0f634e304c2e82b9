"""Uploads straight to S3, which moto plays: the way the server chooses, every part, resuming, refusals, and what ingest makes of them.

moto verifies no signature, expiry or checksum: what an address allows is read off the address here.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from base64 import b64encode
from datetime import timedelta
from random import Random
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from sqlalchemy import delete, update

from contracts.events import DatasetSchemaFailed, DatasetStagingFailed
from contracts.shards import ShardIndex
from runtime.db import Database, now
from runtime.storage import StoreRefused, open_store
from runtime.storage.direct import S3Direct
from services.api import datasets
from services.api.direct import Direct
from services.api.manifest import File, Manifest
from services.api.models import OpenUpload
from services.api.settings import ApiSettings
from services.api.sweeping import sweep
from services.ingest.staging import Limits, stage
from services.ingest.staging.stream import copy_table, stream_of
from support.s3_server import s3_server
from tabular.profile import profile_table

MIB = 1 << 20
PART = 8 * MIB
TUS = {"Tus-Resumable": "1.0.0"}
TABLE = b"photo,age,label\n" + b"".join(
    b"p%d.png,%d,%s\n" % (n % 4, n % 90, b"cat" if n % 2 else b"dog") for n in range(400_000)
)
FILES = [
    ("file", "pets.csv", TABLE),
    *(("images", f"photos/p{n}.png", Random(n).randbytes(3000 + n)) for n in range(4)),
    ("images", "photos/empty.png", b""),
    ("images", "photos/large.png", Random(9).randbytes(11 * MIB)),
]
STREAM = b"".join(raw for _, _, raw in FILES)
PARTS = -(-len(STREAM) // PART)


def crc32(data: bytes) -> str:
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class Sender:
    """A client that goes the way the server says."""

    def __init__(self, platform) -> None:
        self.client = platform.client

    def begin(self, files=FILES, path="/api/datasets/", **more):
        wish = {"files": [{"field": field, "name": name, "size": len(raw)} for field, name, raw in files]}
        answer = self.client.post(path, json=wish | more)
        assert answer.status_code == 201, answer.text
        self.id, self.url = answer.json["id"], answer.headers["Location"]
        return answer.json

    def sign(self, part: int, **more):
        raw = STREAM[(part - 1) * PART : part * PART]
        return self.client.post(
            f"/api/datasets/{self.id}/parts/", json={"number": part, "crc32": crc32(raw), **more}
        )

    def put(self, number: int) -> None:
        told = self.sign(number).json
        raw = STREAM[(number - 1) * PART : number * PART]
        assert httpx.put(told["url"], content=raw, headers=told["headers"]).status_code == 200

    def offset(self) -> int:
        return int(self.client.head(self.url, headers=TUS).headers["Upload-Offset"])

    def complete(self):
        return self.client.post(f"/api/datasets/{self.id}/complete/")


@pytest.fixture(scope="module")
def bucket():
    """A bucket on a moto server of this module's own, with the AWS environment to reach it."""
    with s3_server("test-bucket") as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else every request is a line
        yield "s3://test-bucket"


@pytest.fixture(scope="module")
def platform(bucket, tmp_path_factory, _sqlite_template, platform_class):
    """A platform whose objects lie in S3. What differs between databases is tested where uploads go through the spool."""
    folder = tmp_path_factory.mktemp("platform")
    shutil.copy(_sqlite_template, folder / "test.db")
    settings = ApiSettings(
        database_url=f"sqlite:///{folder}/test.db",
        redis_url="redis://127.0.0.1:1/0",
        objects_url=f"{bucket}/some/prefix",
        spool_dir=folder / "spool",
        direct_upload_bytes=MIB,
    )
    database = Database(settings.database_url)
    platform = platform_class(settings, database)
    yield platform
    platform.app.extensions["triptych"].db.engine.dispose()
    database.engine.dispose()


@pytest.fixture
def stored(platform):
    """That platform, which is left empty."""
    yield platform
    platform.store.delete_prefix("datasets")
    with platform.database.write() as session:
        session.execute(delete(OpenUpload))
    for path in platform.settings.spool_dir.iterdir():
        shutil.rmtree(path)


@pytest.fixture
def sender(stored):
    return Sender(stored)


def unfinished() -> list:
    return boto3.client("s3").list_multipart_uploads(Bucket="test-bucket").get("Uploads", [])


def test_an_upload_goes_past_the_api_and_becomes_the_data_set_that_any_other_would(stored, sender, tmp_path):
    told = sender.begin(name="Pets", fingerprint="f")
    assert (told["way"], told["chunk_bytes"], told["offset"]) == ("store", PART, 0)
    assert sender.offset() == 0
    sender.put(2)
    assert sender.offset() == 0  # nothing without a gap yet
    early = sender.complete()
    assert (early.status_code, early.json["offset"]) == (409, 0)
    sender.put(1)
    assert sender.offset() == 2 * PART
    assert (
        stored.client.get("/api/uploads/", query_string={"fingerprint": "f"}).json["items"][0]["offset"]
        == 2 * PART
    )
    for number in range(3, PARTS + 1):
        sender.put(number)
    spool = stored.settings.spool_dir / sender.id
    assert sum(path.stat().st_size for path in spool.rglob("*") if path.is_file()) < 4096
    made = sender.complete()
    assert made.status_code == 201, made.text
    assert sender.complete().status_code == 200
    assert (made.json["staging_track"]["bytes_total"], made.json["files"]) == (len(STREAM), 6)
    assert not made.json["schema"]["complete"]
    assert [column["type"] for column in made.json["schema"]["columns"]] == [
        "image",
        "numeric",
        "categorical",
    ]
    assert [path.name for path in spool.iterdir()] == ["stream.json"]

    # before it is staged, the api reads it where it lies
    context = stored.app.extensions["triptych"]
    with context.all_workspaces.read() as session:
        dataset = datasets.get(session, sender.id)
    assert context.files.read_table(dataset, 5, 30) == TABLE[5:35]
    assert context.files.read(dataset, "photos/p3.png") == FILES[4][2]
    assert len(context.files.names(dataset)) == 6

    # ingest: the whole table's schema, and the same objects that a spool would have given
    copy_table(stream_of(spool), stored.store, tmp_path / "table.csv")
    assert profile_table(tmp_path / "table.csv").rows == 400_000
    seen = []
    staged = stage(
        spool,
        sender.id,
        stored.store,
        progress=lambda done, total: seen.append((done, total)),
        limits=Limits(),
    )
    assert seen[-1] == (len(STREAM), len(STREAM))
    assert staged.files == 6
    assert stored.store.get_bytes(f"datasets/{sender.id}/table.csv") == TABLE
    for _, name, raw in FILES[1:]:
        assert stored.store.get_bytes(f"datasets/{sender.id}/images/{name}") == raw


def test_once_both_tracks_have_ended_the_upload_is_removed(stored, sender):
    sender.begin()
    for number in range(1, PARTS + 1):
        sender.put(number)
    sender.complete()
    key = f"datasets/{sender.id}/upload"
    stored.hear(DatasetSchemaFailed(dataset_id=sender.id, reason="no"))
    assert stored.store.head(key).size == len(STREAM)
    stored.hear(DatasetStagingFailed(dataset_id=sender.id, reason="no"))
    assert stored.store.head(key) is None
    assert not (stored.settings.spool_dir / sender.id).exists()


def test_small_files_of_an_upload_in_the_store_become_shards(stored, sender, tmp_path):
    sender.begin()
    for number in range(1, PARTS + 1):
        sender.put(number)
    sender.complete()
    spool = stored.settings.spool_dir / sender.id
    staged = stage(
        spool,
        sender.id,
        stored.store,
        progress=lambda *_: None,
        limits=Limits(shard_from_files=2, shard_below_bytes=64 * MIB, shard_bytes=MIB),
    )
    assert staged.shards > 0
    index = ShardIndex.model_validate_json(stored.store.get_bytes(f"datasets/{sender.id}/images/shards.json"))
    for _, name, raw in FILES[1:]:
        entry = index.files[name]
        shard = index.shards[entry.shard].name
        assert stored.store.get_bytes(f"datasets/{sender.id}/images/{shard}", entry.offset, entry.size) == raw


def test_an_address_takes_exactly_the_bytes_it_was_signed_for(sender):
    sender.begin()
    told = sender.sign(PARTS).json
    query = parse_qs(urlsplit(told["url"]).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host;x-amz-checksum-crc32"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["partNumber"] == [str(PARTS)]
    assert told["headers"] == {"x-amz-checksum-crc32": crc32(STREAM[(PARTS - 1) * PART :])}


def test_the_server_chooses_the_way(stored, tmp_path):
    loose = Manifest.of([File(field, name, len(raw)) for field, name, raw in FILES])
    zipped = Manifest.of([*loose.files, File("archive", "x.zip", 2)])
    folder = open_store(f"file://{tmp_path}/objects")

    def takes(manifest, store=stored.store, from_bytes=MIB):
        return Direct(store, from_bytes=from_bytes, link_seconds=60).takes(manifest)

    assert takes(loose)
    assert not takes(zipped)  # unpacked under limits first
    assert not takes(loose, from_bytes=1 << 40)
    assert not takes(loose, from_bytes=0)
    assert not takes(loose, store=folder)


@pytest.mark.parametrize("wish", [{"path": "/api/uploads/"}, {"direct": False}])
def test_a_sender_that_does_not_ask_sends_to_the_spool(stored, sender, wish):
    told = sender.begin(**wish)
    assert (told["way"], told["chunk_bytes"]) == ("spool", stored.settings.upload_chunk_bytes)
    assert unfinished() == []


def test_a_store_that_refuses_leaves_the_upload_to_the_spool(stored, sender, monkeypatch):
    def refuse(*_):
        raise StoreRefused("bucket test-bucket: Access Denied (AccessDenied)")

    monkeypatch.setattr(S3Direct, "begin", refuse)
    assert sender.begin()["way"] == "spool"


def test_a_sender_may_ask_where_uploads_in_chunks_begin_too(sender):
    assert sender.begin(path="/api/uploads/", direct=True)["way"] == "store"


def test_what_is_asked_wrongly_is_refused(stored, sender):
    sender.begin()
    for change, complaint in (
        ({"number": 0}, "there is no part 0; this upload has parts 1 to 3"),
        ({"number": 4}, "there is no part 4"),
        ({"crc32": "AAAA"}, "it is not the CRC-32"),
    ):
        answer = sender.sign(1, **change)
        assert (answer.status_code, complaint in answer.json["detail"]) == (422, True), answer.text
    chunk = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = stored.client.patch(sender.url, data=b"x", headers=chunk)
    assert (answer.status_code, "straight to the object store" in answer.json["detail"]) == (409, True)
    sender.begin(path="/api/uploads/")
    assert "sent by PATCH" in sender.sign(1).json["detail"]


def test_a_part_of_another_size_does_not_count(stored, sender):
    sender.begin()
    told = sender.sign(1).json
    httpx.put(told["url"], content=b"short", headers=told["headers"])  # S3 would refuse it by its signature
    assert sender.offset() == 0


def test_what_is_given_up_or_forgotten_leaves_nothing_in_the_store(stored, sender):
    sender.begin()
    sender.put(1)
    assert len(unfinished()) == 1
    assert stored.client.delete(sender.url, headers=TUS).status_code == 204
    assert unfinished() == []
    sender.begin()
    sender.put(1)
    with stored.database.write() as session:
        session.execute(update(OpenUpload).values(expires_at=now() - timedelta(seconds=1)))
    assert sweep(stored.database, stored.settings.spool_dir, 1, stored.store) == 1
    assert unfinished() == []
    assert sender.sign(2).status_code == 404


def test_a_table_that_is_none_is_refused_and_removed(stored, sender):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(2 * MIB)
    sender.begin([("file", "pets.csv", picture)])
    told = stored.client.post(
        f"/api/datasets/{sender.id}/parts/", json={"number": 1, "crc32": crc32(picture)}
    ).json
    httpx.put(told["url"], content=picture, headers=told["headers"])
    answer = sender.complete()
    assert (answer.status_code, "is a PNG image" in answer.json["detail"]) == (422, True)
    assert sender.complete().json["detail"] == answer.json["detail"]
    assert stored.store.head(f"datasets/{sender.id}/upload") is None


def test_a_completion_that_died_halfway_is_done_again(stored, sender, monkeypatch):
    sender.begin()
    for number in range(1, PARTS + 1):
        sender.put(number)
    with monkeypatch.context() as broken:
        broken.setattr("services.api.routes_uploads.register", lambda *_: 1 / 0)
        assert sender.complete().status_code == 500
    assert sender.complete().status_code == 201


def test_an_upload_that_the_store_gave_up_is_not_there_any_more(stored, sender):
    sender.begin()
    stored.store.delete_prefix(f"datasets/{sender.id}")
    assert stored.client.head(sender.url, headers=TUS).status_code == 404
    assert sender.complete().status_code == 404
