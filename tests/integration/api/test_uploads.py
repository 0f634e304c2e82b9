"""Uploads in chunks over REST: tus 1.0's answers one by one, what survives, and every refusal."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
import zlib
from base64 import b64encode
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from runtime.db import now
from runtime.pending import Backlog
from runtime.storage import open_store
from services.api import chunks
from services.api.direct import Direct
from services.api.models import Dataset, OpenUpload
from services.api.quotas import Quotas
from services.api.sweeping import sweep
from services.ingest.staging import Limits, stage

pytestmark = pytest.mark.sqlite

TUS = {"Tus-Resumable": "1.0.0"}
TABLE = b"photo,age,label\n" + b"".join(
    b"p%d.png,%d,%s\n" % (n, n, b"cat" if n % 2 else b"dog") for n in range(40)
)
IMAGES = {f"photos/p{n}.png": random.Random(n).randbytes(3000 + n) for n in range(5)} | {
    "photos/empty.png": b""
}


def crc32(data: bytes) -> str:
    return "crc32 " + b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def sha(name: str, data: bytes) -> str:
    return f"{name} {b64encode(hashlib.new(name, data).digest()).decode()}"


class Sender:
    """A client of the protocol."""

    def __init__(self, client) -> None:
        self.client = client

    def begin(self, files, **more):
        wish = {
            "files": [{"field": field, "name": name, "size": len(raw)} for field, name, raw in files],
            **more,
        }
        self.stream = b"".join(raw for _, _, raw in files)
        answer = self.client.post("/api/uploads/", json=wish)
        self.url = answer.headers.get("Location")
        return answer

    def send(self, offset: int, end: int | None = None, data: bytes | None = None, **headers):
        raw = self.stream[offset:end] if data is None else data
        given = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return self.client.patch(self.url, data=raw, headers=given | headers)

    def offset(self) -> int:
        answer = self.client.head(self.url, headers=TUS)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        return int(answer.headers["Upload-Offset"])

    def complete(self):
        return self.client.post(f"{self.url}complete/")


@pytest.fixture
def sender(platform):
    return Sender(platform.client)


FILES = [("file", "pets.csv", TABLE), *(("images", name, raw) for name, raw in IMAGES.items())]


@pytest.fixture
def begun(sender):
    answer = sender.begin(FILES, name="Pets", fingerprint="pets-1")
    assert answer.status_code == 201, answer.text
    return sender


def test_chunks_that_cut_through_files_become_the_data_set_that_one_post_would_have_made(platform, begun):
    at = 0
    for size in (1, len(TABLE) + 10, 5000, 10**6):
        answer = begun.send(at, at + size, **{"Upload-Checksum": sha("sha256", begun.stream[at : at + size])})
        at = min(at + size, len(begun.stream))
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(at))
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert "Upload-Expires" in answer.headers
        assert begun.offset() == at
    made = begun.complete()
    assert made.status_code == 201, made.text
    posted = platform.upload(TABLE, IMAGES, name="Pets").json
    changing = {"id", "created_at"}
    assert {key: value for key, value in made.json.items() if key not in changing} == {
        key: value for key, value in posted.items() if key not in changing
    }
    folder = platform.settings.spool_dir / made.json["id"]
    assert (folder / "table.csv").read_bytes() == TABLE
    assert {name: (folder / "files" / name).read_bytes() for name in IMAGES} == IMAGES
    assert sorted(path.name for path in folder.iterdir()) == ["files", "table.csv"]
    assert platform.emitted()[:2] == [
        ("dataset.uploaded.v1", "ingest.schema"),
        ("dataset.uploaded.v1", "ingest.staging"),
    ]


def test_asking_again_for_the_data_set_changes_nothing(platform, begun):
    begun.send(0)
    first = begun.complete()
    again = begun.complete()
    assert (first.status_code, again.status_code, first.json["id"]) == (201, 200, again.json["id"])
    assert platform.client.get("/api/datasets/").json["total"] == 1
    assert len(platform.emitted()) == 2
    assert begun.send(0).status_code == 409
    assert begun.client.delete(begun.url, headers=TUS).status_code == 409


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_either_store_gets_the_bytes_that_were_sent(platform, begun, kind, request, tmp_path):
    url = request.getfixturevalue("s3_url") if kind == "s3" else f"file://{tmp_path}/store"
    begun.send(0, 4000)
    begun.send(4000)
    dataset_id = begun.complete().json["id"]
    store, folder = open_store(url), platform.settings.spool_dir / dataset_id
    packing = Limits(shard_from_files=256, shard_below_bytes=1, shard_bytes=1)
    stage(folder, dataset_id, store, progress=lambda _done, _total: None, limits=packing)
    assert store.get_bytes(f"datasets/{dataset_id}/table.csv") == TABLE
    for name, raw in IMAGES.items():
        assert store.get_bytes(f"datasets/{dataset_id}/images/{name}") == raw


# (headers or body instead of the right ones, status, what the answer says)
CHUNKS = {
    "another offset": ({"Upload-Offset": "7"}, None, 409, "The upload has 100 bytes"),
    "an old offset": ({"Upload-Offset": "0"}, None, 409, "The upload has 100 bytes"),
    "no number": ({"Upload-Offset": "1_00"}, None, 422, "Upload-Offset"),
    "full-width digits": ({"Upload-Offset": "100".translate({49: 0xFF11})}, None, 422, "Upload-Offset"),
    "another version": ({"Tus-Resumable": "0.2.2"}, None, 412, "Tus-Resumable: 1.0.0"),
    "another type": ({"Content-Type": "application/json"}, None, 415, "application/offset+octet-stream"),
    "wrong sum": ({"Upload-Checksum": sha("sha1", b"x")}, None, 460, "Send it again"),
    "unknown sum": ({"Upload-Checksum": "md4 abcd"}, None, 400, "sha1, sha256, crc32"),
    "no base64": ({"Upload-Checksum": "sha1 ???"}, None, 400, "base64"),
    "too large a chunk": ({}, b"x" * 16_385, 413, "more than 16384 bytes, the most allowed (UPLOAD_CHUNK_BYTES)"),
    "beyond the end": ({"Upload-Offset": "last"}, b"xx", 413, "beyond the end"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHUNKS)
def test_a_bad_chunk_is_refused_and_leaves_everything_as_it_was(platform, begun, case):
    headers, data, status, words = CHUNKS[case]
    begun.send(0, 100)
    at = 100
    if headers.get("Upload-Offset") == "last":
        while at < len(begun.stream) - 1:
            end = min(at + 16_384, len(begun.stream) - 1)
            begun.send(at, end)
            at = end
        headers = {}
    answer = begun.send(
        at, at + 50, data, **{key: value.encode().decode("latin-1") for key, value in headers.items()}
    )
    assert answer.status_code == status, answer.text
    assert words in answer.json["detail"]
    if status == 409:
        assert (answer.headers["Upload-Offset"], answer.json["offset"]) == (str(at), at)
    assert begun.offset() == at
    while at < len(begun.stream):
        end = min(at + 16_384, len(begun.stream))
        assert begun.send(at, end, **{"Upload-Checksum": crc32(begun.stream[at:end])}).status_code == 204
        at = end
    assert begun.complete().status_code == 201


@pytest.mark.parametrize(
    ("name", "sum_of"), [("sha1", sha), ("sha256", sha), ("crc32", lambda _name, raw: crc32(raw))]
)
def test_checksums(begun, name, sum_of):
    right = sum_of(name, begun.stream[:500])
    assert begun.send(0, 500, data=begun.stream[:499] + b"!", **{"Upload-Checksum": right}).status_code == 460
    assert begun.send(0, 500, **{"Upload-Checksum": right}).status_code == 204


def test_options_tell_what_is_spoken(platform):
    answer = platform.client.options("/api/uploads/")
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "checksum,expiration,termination"
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,crc32"
    assert answer.headers["Tus-Max-Size"] == "200000"


ONE = ("file", "a.csv", b"a,b\n1,2\n")
# (files or the whole body, status, what the answer says)
BEGINNINGS = {
    "no files": ({"files": []}, 422, "files: List should have at least 1 item"),
    "no JSON": (b"{", 422, "Invalid JSON"),
    "another field": ({"files": [{"field": "photo", "name": "a", "size": 1}]}, 422, "unknown field 'photo'"),
    "another member": ({"files": [{"field": "file", "name": "a", "bytes": 1}]}, 422, "unknown field 'bytes'"),
    "no size": ({"files": [{"field": "file", "name": "a.csv"}]}, 422, "'a.csv' needs its size"),
    "a size that is no number": ({"files": [{"field": "file", "name": "a.csv", "size": "1"}]}, 422, "'a.csv' needs its size"),
    "a negative size": ({"files": [{"field": "file", "name": "a.csv", "size": -1}]}, 422, "'a.csv' needs its size"),
    "true for a size": ({"files": [{"field": "file", "name": "a.csv", "size": True}]}, 422, "'a.csv' needs its size"),
    "no table": ([("images", "a.png", b"x")], 422, "There is no CSV"),
    "two tables": ([ONE, ("file", "b.csv", b"x")], 422, "exactly one CSV"),
    "climbing name": ([ONE, ("images", "../a.png", b"x")], 422, "'../a.png' is not a relative path"),
    "absolute name": ([ONE, ("images", "/etc/passwd", b"x")], 422, "'/etc/passwd' is not a relative path"),
    "control character": ([ONE, ("images", "a\0.png", b"x")], 422, "control characters"),
    "same name twice": ([ONE, ("images", "a.png", b"x"), ("images", "./a.png", b"x")], 422, "'a.png' is in the upload twice"),
    "file as folder": ([ONE, ("images", "a/b.png", b"x"), ("images", "a", b"x")], 422, "a file of the same name"),
    "too many files": ([ONE, *(("images", f"{n}.png", b"x") for n in range(12))], 413, "13 files; at most 12 are allowed (MAX_FILES)"),
    "too many bytes": ([ONE, ("images", "big.png", b"x" * 200_000)], 413, "200000 of them in 'big.png'; at most 200000 are allowed (MAX_UPLOAD_BYTES)"),
    "a name too long": ([("images", "x" * 256 + ".png", b"x")], 422, "is too long"),
}  # fmt: skip


@pytest.fixture
def strict(platform):
    """The same platform with room for 12 files and two uploads."""
    settings = platform.settings.model_copy(update={"max_files": 12, "max_open_uploads": 2})
    quotas = Quotas(platform.database, Backlog(platform.database), settings)
    direct = Direct(platform.store, from_bytes=0, link_seconds=60)
    platform.app.extensions["triptych"].uploads.__init__(platform.database, settings, quotas, direct)
    return platform


@pytest.mark.parametrize("case", BEGINNINGS)
def test_what_would_be_refused_in_the_end_is_refused_at_the_beginning(strict, sender, case):
    given, status, words = BEGINNINGS[case]
    if isinstance(given, list):
        answer = sender.begin(given)
    else:
        body = {"data": given} if isinstance(given, bytes) else {"json": given}
        answer = strict.client.post("/api/uploads/", **body)
    assert answer.status_code == status, answer.text
    assert words in answer.json["detail"]
    assert list(strict.settings.spool_dir.iterdir()) == []


def test_no_more_are_open_than_allowed(strict, sender):
    assert sender.begin([ONE]).status_code == 201
    assert sender.begin([ONE]).status_code == 201
    refused = sender.begin([ONE])
    assert refused.status_code == 429
    assert "2 uploads are under way, and 2 is the most allowed (MAX_OPEN_UPLOADS)" in refused.json["detail"]
    assert len(list(strict.settings.spool_dir.iterdir())) == 2


def test_more_than_the_disk_has_room_for_is_refused_before_it_is_sent(platform, sender, monkeypatch):
    full = SimpleNamespace(total=10, used=5, free=5)
    monkeypatch.setattr("services.api.quotas.shutil.disk_usage", lambda _path: full)
    answer = sender.begin([ONE])
    assert answer.status_code == 507
    assert (
        "the server has room for 0, since 536870912 of its 5 free bytes stay free (MIN_FREE_BYTES)"
        in (answer.json["detail"])
    )
    assert list(platform.settings.spool_dir.iterdir()) == []


def test_a_full_disk_keeps_what_was_acknowledged(begun, monkeypatch):
    begun.send(0, 2000)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("services.api.chunks.put", full)
        answer = begun.send(2000)
        assert (answer.status_code, begun.offset()) == (507, 2000)
        assert "go on when there is room" in answer.json["detail"]
    assert begun.send(2000).status_code == 204
    assert begun.complete().status_code == 201


def test_a_table_among_the_images_or_in_a_zip_is_found(platform, sender):
    sender.begin([("images", "data/t.csv", TABLE), ("images", "p0.png", b"x")])
    sender.send(0)
    assert sender.complete().json["name"] == "t.csv"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("in/t.csv", TABLE)
        archive.writestr("in/p0.png", b"x")
    sender.begin([("archive", "all.zip", out.getvalue())])
    sender.send(0)
    made = sender.complete()
    assert (made.status_code, made.json["files"]) == (201, 1)
    folder = platform.settings.spool_dir / made.json["id"]
    assert sorted(path.name for path in folder.iterdir()) == ["files", "table.csv"]


def test_what_is_refused_in_the_end_stays_refused_and_its_bytes_go(platform, sender):
    sender.begin([("file", "a.csv", TABLE), ("archive", "x.zip", b"PK nonsense")])
    sender.send(0)
    for _ in range(2):
        answer = sender.complete()
        assert (answer.status_code, answer.json["detail"]) == (
            422,
            "'x.zip' cannot be unpacked: File is not a zip file.",
        )
    assert list(platform.settings.spool_dir.iterdir()) == []
    assert platform.client.get(sender.url).json["state"] == "refused"
    assert platform.emitted() == []


def test_a_zip_may_not_replace_an_image(sender):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", b"other")
    sender.begin([("file", "a.csv", TABLE), ("images", "a.png", b"x"), ("archive", "x.zip", out.getvalue())])
    sender.send(0)
    assert "'a.png' is in the upload twice" in sender.complete().json["detail"]


def test_missing_bytes_are_named_also_those_that_a_power_cut_took(platform, begun):
    begun.send(0, 2000)
    answer = begun.complete()
    assert (answer.status_code, answer.json["offset"]) == (409, 2000)
    assert "are still to come" in answer.json["detail"]
    begun.send(2000)
    upload_id = begun.url.split("/")[-2]
    (platform.settings.spool_dir / upload_id / "files/photos/p1.png").write_bytes(b"cut")
    answer = begun.complete()
    assert answer.status_code == 409
    assert answer.json["offset"] == begun.offset() == len(TABLE) + len(IMAGES["photos/p0.png"])
    begun.send(begun.offset())
    assert begun.complete().status_code == 201
    assert (platform.settings.spool_dir / upload_id / "files/photos/p1.png").read_bytes() == IMAGES[
        "photos/p1.png"
    ]


def test_of_two_requests_with_the_same_chunk_one_counts(platform, begun, monkeypatch):
    receive = chunks.receive

    def slow(*arguments):
        size = receive(*arguments)
        monkeypatch.setattr(chunks, "receive", receive)
        assert (
            begun.send(0, 300).status_code == 204
        )  # the same sender, again, while the first is still on its way
        return size

    monkeypatch.setattr(chunks, "receive", slow)
    answer = begun.send(0, 300)
    assert (answer.status_code, answer.json["offset"], begun.offset()) == (409, 300, 300)


def test_it_is_found_again_by_its_fingerprint_and_its_files_are_told(platform, begun):
    begun.send(0, 123)
    (found,) = platform.client.get("/api/uploads/?fingerprint=pets-1").json["items"]
    assert (found["offset"], found["length"], found["name"], found["state"]) == (
        123,
        len(begun.stream),
        "Pets",
        "open",
    )
    assert platform.client.get("/api/uploads/?fingerprint=other").json["items"] == []
    assert platform.client.get(begun.url).json == found
    files = platform.client.get(f"{begun.url}files/").json["items"]
    assert [(file["field"], file["name"], file["size"]) for file in files] == [
        (field, name, len(raw)) for field, name, raw in FILES
    ]


def test_a_cancelled_upload_is_gone(platform, begun):
    begun.send(0, 100)
    assert platform.client.delete(begun.url, headers=TUS).status_code == 204
    assert list(platform.settings.spool_dir.iterdir()) == []
    for answer in (begun.send(100), begun.complete(), platform.client.delete(begun.url, headers=TUS)):
        assert answer.status_code == 404
        assert "There is no upload" in answer.json["detail"]
    assert platform.client.head(begun.url, headers=TUS).status_code == 404


def test_what_expired_is_removed_and_nothing_else(platform, sender, database):
    spool = platform.settings.spool_dir
    sender.begin([ONE])
    sender.send(0)
    done = sender.complete().json["id"]
    sender.begin([ONE])
    expired, kept = sender.url.split("/")[-2], Sender(platform.client)
    kept.begin([ONE])
    (spool / ("0" * 32)).mkdir()  # somebody's POST, under way
    long_ago = now() - timedelta(seconds=1)
    with database.write() as session:
        session.execute(
            update(OpenUpload).where(OpenUpload.id.in_([done, expired])).values(expires_at=long_ago)
        )
    assert platform.client.head(sender.url, headers=TUS).status_code == 404
    assert sweep(database, spool, 1, platform.store) == 1
    left = {path.name for path in spool.iterdir()}
    assert left == {done, kept.url.split("/")[-2], "0" * 32}
    with database.read() as session:
        assert session.get(Dataset, done) is not None
        assert session.get(OpenUpload, done) is None
    assert (
        sweep(database, spool, -1, platform.store) == 1
    )  # now everything is old, and the folder that nobody owns goes
    assert {path.name for path in spool.iterdir()} == left - {"0" * 32}
