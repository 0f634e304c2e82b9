"""A disk that is really full: 507 in words, nothing half-made is left, and what was acknowledged goes on once there is room."""

from __future__ import annotations

import errno
import io
import random
import zipfile

import httpx
import pytest
from integration.api.conftest import TABLE, Platform

from runtime.storage import open_store
from services.api.inline import InlineTable
from services.api.quotas import Quotas
from services.api.routes_predictions import _put
from services.ingest.staging import Limits, stage
from support.small_disk import fill, small_disk

pytestmark = pytest.mark.sqlite

MB = 1 << 20
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", 2 * MB) as folder:
        yield folder


@pytest.fixture
def small(platform, database, disk):
    """The platform with its spool on that disk."""
    changes = {"spool_dir": disk / "spool", "min_free_bytes": 0, "max_upload_bytes": 50 * MB}
    made = Platform(platform.settings.model_copy(update=changes), database)
    yield made
    made.app.extensions["triptych"].db.engine.dispose()


def zipped(size: int = 4 * MB) -> bytes:
    """Make a zip of images that unpack to so many bytes, from some 10 kB each."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            raw = random.Random(number).randbytes(10_000)
            archive.writestr(f"p{number}.png", raw * (size // 80_000))
    return out.getvalue()


def post(platform, **images: bytes):
    """Post a table with images. The test client's own encoding would leave a file open."""
    files = [
        ("file", ("pets.csv", TABLE.encode())),
        *(("images", (f"{name}.png", raw)) for name, raw in images.items()),
    ]
    made = httpx.Request("POST", "http://platform", files=files)
    return platform.client.post(
        "/api/datasets/upload_and_detect/", data=made.read(), content_type=made.headers["Content-Type"]
    )


def left(platform) -> list[str]:
    return [path.name for path in platform.settings.spool_dir.rglob("*")]


def test_a_post_that_does_not_fit_is_refused_before_it_is_read(small):
    refused = post(small, big=bytes(3 * MB))
    assert refused.status_code == 507
    assert "bytes are to come; the server has room for" in refused.json["detail"]
    assert left(small) == []


def test_a_post_that_fills_the_disk_leaves_nothing(small, monkeypatch):
    monkeypatch.setattr(Quotas, "admit_bytes", lambda *_: None)  # as for a body whose length is not told
    refused = post(small, small=b"x", big=bytes(3 * MB), more=bytes(MB))
    assert refused.status_code == 507
    assert refused.content_type == "application/problem+json"
    assert refused.json["detail"] == "There is no room for this upload on the server; nothing of it was kept."
    assert left(small) == []
    assert small.upload().status_code == 201


def test_a_zip_that_unpacks_to_more_leaves_nothing(small):
    assert small.upload(images=0, archive=(io.BytesIO(zipped()), "i.zip")).status_code == 507
    assert left(small) == []


def begun(platform, *files):
    wish = {"files": [{"field": field, "name": name, "size": len(raw)} for field, name, raw in files]}
    answer = platform.client.post("/api/uploads/", json=wish)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def send(platform, url, raw, offset=0):
    headers = {**CHUNK, "Upload-Offset": str(offset)}
    return platform.client.patch(url, data=raw, headers=headers)


def test_a_chunk_that_does_not_fit_is_not_kept_and_can_be_sent_again(small, disk):
    table = TABLE.encode() * 10
    url = begun(small, ("file", "a.csv", table))
    assert send(small, url, table[:2000]).status_code == 204
    filler = fill(disk)
    assert send(small, url, table[2000:18_000], 2000).status_code == 507
    assert int(small.client.head(url, headers=TUS).headers["Upload-Offset"]) == 2000
    filler.unlink()
    assert send(small, url, table[2000:18_000], 2000).status_code == 204


def test_a_zip_that_cannot_be_unpacked_now_can_be_once_there_is_room(small, disk):
    raw = zipped(5 * MB // 4)
    table = TABLE.encode()
    url = begun(small, ("file", "a.csv", table), ("archive", "i.zip", raw))
    stream = table + raw
    for offset in range(0, len(stream), 16_384):
        assert send(small, url, stream[offset : offset + 16_384], offset).status_code == 204
    kept = disk / "kept"
    kept.write_bytes(bytes(MB))
    refused = small.client.post(f"{url}complete/")
    assert refused.status_code == 507
    assert "What is there is kept; go on when there is room" in refused.json["detail"]
    assert [name for name in left(small) if name.endswith(".png")] == [], (
        "what was unpacked fills the disk no more"
    )
    kept.unlink()
    made = small.client.post(f"{url}complete/")
    assert made.status_code == 201, made.text
    assert made.json["files"] == 8


def test_rows_to_predict_that_do_not_fit_leave_nothing(disk):
    store = open_store((disk / "objects").as_uri())
    with pytest.raises(OSError, match="No space") as full:
        _put(store, "jobs/j/predictions/p", InlineTable(b"a\n1\n", {"a.png": b"x", "b.png": bytes(3 * MB)}))
    assert full.value.errno == errno.ENOSPC
    assert list(store.list()) == []


def test_staging_onto_a_full_disk_leaves_no_half_object(disk, tmp_path):
    spool = tmp_path / "upload"
    (spool / "files").mkdir(parents=True)
    (spool / "table.csv").write_bytes(b"a\n")
    (spool / "files" / "big.png").write_bytes(bytes(3 * MB))
    store = open_store((disk / "objects").as_uri())
    with pytest.raises(OSError, match="No space"):
        stage(spool, "d", store, progress=lambda *_: None, limits=Limits())
    assert [path.name for path in (disk / "objects").rglob("*") if path.is_file()] in ([], ["table.csv"])
