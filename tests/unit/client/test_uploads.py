"""Uploads: every byte arrives, through breaks, a lost answer, a second command."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import os
import zipfile
import zlib
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from client import Client, HalfSent, Refused, Unusable
from client.files import find_images, sources


class Server:
    """The API's uploads in memory. `faults` are done to the next chunks, one each; None is a chunk that goes well."""

    def __init__(self, chunk: int = 1000) -> None:
        self.chunk = chunk
        self.uploads: dict[str, dict] = {}
        self.bytes = bytearray()
        self.faults: list[object] = []
        self.full: list[int | None] = []  # Retry-After of refusals to begin, one each
        self.chunks = self.most_open = 0
        self.completed = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/uploads/")
        if request.method == "GET":
            wanted = request.url.params["fingerprint"]
            return httpx.Response(
                200, json={"items": [u for u in self.uploads.values() if u["fingerprint"] == wanted]}
            )
        if not path and self.full:
            seconds = self.full.pop(0)
            headers = {} if seconds is None else {"Retry-After": str(seconds)}
            return httpx.Response(429, headers=headers, json={"detail": "2 uploads are under way."})
        if not path:
            wish = json.loads(request.content)
            self.bytes.clear()
            upload = {
                "id": f"u{len(self.uploads)}",
                "offset": 0,
                "chunk_bytes": self.chunk,
                "way": "spool",
                **wish,
            }
            self.uploads[upload["id"]] = upload
            return httpx.Response(201, json=upload)
        if path.endswith("complete/"):
            self.completed += 1
            del self.uploads[path.split("/")[0]]
            return httpx.Response(201, json={"id": "d1"})
        return self._append(request, self.uploads[path.strip("/")])

    def _append(self, request, upload):
        self.chunks += 1
        self.most_open = max(self.most_open, open_files())
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise httpx.ConnectError("refused")
        if isinstance(fault, int):
            return httpx.Response(fault, json={"detail": "no"})
        raw = request.content
        if int(request.headers["Upload-Offset"]) != len(self.bytes):
            return httpx.Response(409, json={"detail": "elsewhere", "offset": len(self.bytes)})
        assert (
            request.headers["Upload-Checksum"] == f"sha256 {b64encode(hashlib.sha256(raw).digest()).decode()}"
        )
        assert request.headers["Tus-Resumable"] == "1.0.0"
        self.bytes += raw
        upload["offset"] = len(self.bytes)
        if fault == "after":
            raise httpx.ReadError("reset")
        return httpx.Response(204)


class Store(Server):
    """A platform that lets parts of 1,000 bytes go straight to its object store, at http://store/."""

    def __init__(self, store_faults: list[object] | None = None) -> None:
        super().__init__()
        self.parts: dict[int, bytes] = {}
        self.store_faults = store_faults or []
        self.deleted: list[str] = []

    def __call__(self, request):
        if request.url.host == "store":
            return self._put(request)
        if request.method == "DELETE":
            self.deleted.append(request.url.path)
            return httpx.Response(204)
        if request.url.path.endswith("/parts/"):
            wish = json.loads(request.content)
            address = f"http://store/part/{wish['number']}?signature=s"
            return httpx.Response(
                200, json={"url": address, "headers": {"x-amz-checksum-crc32": wish["crc32"]}}
            )
        if request.url.path.endswith("/complete/"):
            self.bytes = bytearray(
                b"".join(self.parts[number] for number in sorted(self.parts)) or self.bytes
            )
        answer = super().__call__(request)
        if request.url.path == "/api/uploads/" and request.method == "POST":
            upload = answer.json() | {
                "way": "store" if json.loads(request.content).get("direct") else "spool"
            }
            self.uploads[upload["id"]] = upload
            return httpx.Response(201, json=upload)
        return answer

    def _put(self, request):
        fault = self.store_faults.pop(0) if self.store_faults else None
        if fault == "away":
            raise httpx.ConnectError("no such host")
        if isinstance(fault, int):
            return httpx.Response(fault, text="<Error/>")
        assert "Authorization" not in request.headers
        raw = request.content
        assert (
            request.headers["x-amz-checksum-crc32"] == b64encode(zlib.crc32(raw).to_bytes(4, "big")).decode()
        )
        self.parts[int(request.url.path.rpartition("/")[2])] = raw
        return httpx.Response(200)


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "images/deep").mkdir(parents=True)
    (tmp_path / "t.csv").write_bytes(b"a,b\n" * 700)
    for number in range(20):
        (tmp_path / f"images/deep/{number:02}.png").write_bytes(bytes([number]) * (100 + number))
    (tmp_path / "images/empty.png").write_bytes(b"")
    return tmp_path / "t.csv", tmp_path / "images"


def whole(files) -> bytes:
    return files[0].read_bytes() + b"".join(path.read_bytes() for path in sorted(files[1].rglob("*.png")))


def upload(server, files, **more):
    pauses, told = [], []
    client = Client("http://platform", transport=httpx.MockTransport(server))
    dataset = client.upload(*files, advance=told.append, pause=pauses.append, **more)
    return dataset, pauses, sum(told)


def test_files_arrive_in_chunks(server, files):
    totals = []
    assert upload(server, files, begin=totals.append) == ({"id": "d1"}, [], len(whole(files)))
    assert bytes(server.bytes) == whole(files)
    assert totals == [len(whole(files))]
    assert server.chunks == -(-totals[0] // 1000)


def test_parts_go_where_the_platform_says(files):
    store = Store([None, 503, "away", 500])
    assert upload(store, files) == ({"id": "d1"}, [1, 2, 4], len(whole(files)))
    assert bytes(store.bytes) == whole(files)
    assert len(store.parts) == -(-len(whole(files)) // 1000)
    assert store.chunks == 0


@pytest.mark.parametrize("fault", ["away", 403])
def test_a_store_out_of_reach_sends_everything_through_the_platform(files, fault):
    store = Store([fault] * 99)
    assert upload(store, files) == ({"id": "d1"}, [], len(whole(files)))
    assert bytes(store.bytes) == whole(files)
    assert (store.parts, store.deleted) == ({}, ["/api/uploads/u0/"])


def test_parts_that_are_there_are_not_sent_again(files):
    store = Store([None, None, *["away"] * 8])
    with pytest.raises(HalfSent, match=r"2000 of .* bytes are there"):
        upload(store, files)
    store.uploads["u0"]["offset"] = 2000  # as the platform counts them
    sent = dict(store.parts)
    store.parts = {}
    upload(store, files)
    assert min(store.parts) == 3
    store.parts |= sent
    assert b"".join(store.parts[number] for number in sorted(store.parts)) == whole(files)


# (what is done to the chunks, the pauses it costs)
BREAKS = {
    "a refused connection": ([None, "before"], [1]),
    "a lost answer": ([None, "after"], [1]),
    "a restart": ([None, 503, "before", 502, "after"], [1, 2, 4, 8]),
    "another request at it": ([None, 423], [1]),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_break_is_waited_out_and_nothing_is_sent_twice(server, files, case):
    server.faults, pauses = list(BREAKS[case][0]), BREAKS[case][1]
    assert upload(server, files) == ({"id": "d1"}, pauses, len(whole(files)))
    assert bytes(server.bytes) == whole(files)


def test_given_up_it_says_how_to_go_on_and_the_same_command_does(server, files):
    server.faults = [None, None, *["before"] * 8]
    with pytest.raises(HalfSent, match=r"2000 of \d+ bytes are there\.") as half:
        upload(server, files)
    assert (half.value.sent, half.value.length) == (2000, len(whole(files)))
    server.chunks = 0
    assert upload(server, files)[2] == len(whole(files))
    assert (bytes(server.bytes), server.completed) == (whole(files), 1)
    assert server.chunks == -(-len(whole(files)) // 1000) - 2


def test_where_there_is_no_room_it_waits_as_long_as_it_is_told_and_says_so(server, files):
    server.full, said = [30, 60], []
    dataset, pauses, sent = upload(server, files, waits=said.append)
    assert (dataset, pauses, sent) == ({"id": "d1"}, [30, 60], len(whole(files)))
    assert [(str(one), one.retry_after) for one in said] == [
        ("2 uploads are under way.", seconds) for seconds in (30, 60)
    ]


@pytest.mark.parametrize("full", [[3600], [None], [600, 600]])
def test_it_does_not_wait_for_long_nor_for_what_nobody_knows(server, files, full):
    server.full = list(full)
    with pytest.raises(Refused, match="2 uploads are under way") as refused:
        upload(server, files)
    assert refused.value.retry_after == full[-1]
    assert server.full == []


@pytest.mark.parametrize("change", ["content", "name", "no resume"])
def test_anything_else_begins_anew(server, files, change):
    server.faults = [None, None, 422]
    with pytest.raises(Refused, match="no"):
        upload(server, files)
    if change == "content":
        files[0].write_bytes(b"c,d\n" * 800)
    more = {"name": "other"} if change == "name" else {"resume": False} if change == "no resume" else {}
    upload(server, files, **more)
    assert bytes(server.bytes) == whole(files)


def test_five_thousand_images_need_one_descriptor(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(5000):
        (images / f"{number}.png").write_bytes(b"png" * 100)
    (tmp_path / "t.csv").write_bytes(b"a,b\n" * 1000)
    server, before = Server(chunk=100_000), open_files()
    upload(server, (tmp_path / "t.csv", images))
    assert len(server.bytes) == 4000 + 5000 * 300
    assert server.most_open <= before + 4


def test_a_zip_goes_as_one_file(server, tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    with zipfile.ZipFile(tmp_path / "i.zip", "w") as file:
        file.writestr("x.png", b"x")
    upload(server, (tmp_path / "t.csv", tmp_path / "i.zip"))
    assert bytes(server.bytes) == (tmp_path / "t.csv").read_bytes() + (tmp_path / "i.zip").read_bytes()


def test_a_file_that_is_cut_meanwhile_is_named(server, files):
    client = Client("http://platform", transport=httpx.MockTransport(server))
    with pytest.raises(Unusable, match=r"t\.csv was cut while it was being uploaded"):
        client.upload(*files, begin=lambda _total: files[0].write_bytes(b"a"))


def test_only_images_of_a_folder_are_sent(tmp_path):
    for name in ("b.JPG", "sub/a.png", "notes.txt", ".hidden.png", ".thumbs/x.png", "c.webp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == [
        "b.JPG",
        "c.webp",
        "sub/a.png",
    ]


def test_webp_is_an_image_where_the_machine_has_no_table_of_types(tmp_path, monkeypatch):
    (tmp_path / "a.webp").write_bytes(b"x")
    monkeypatch.setattr("client.files.mimetypes.guess_type", mimetypes.MimeTypes().guess_type)
    assert find_images(tmp_path) == [tmp_path / "a.webp"]


def test_a_name_that_no_request_can_hold_is_said_so(tmp_path):
    table, images = tmp_path / "t.csv", tmp_path / "images"
    table.write_text("a\n1\n")
    images.mkdir()
    (images / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(Unusable, match=r"b'caf\\xe9\.png' is not UTF-8; rename it"):
        sources(table, images)


@pytest.mark.parametrize(
    ("table", "images", "words"),
    [
        ("absent.csv", None, "absent.csv is not a file."),
        ("t.csv", "empty", "empty holds no image files."),
        ("t.csv", "t.csv", "t.csv is neither a folder nor a zip."),
        ("t.csv", "absent", "absent is neither a folder nor a zip."),
    ],
)
def test_wrong_files_are_named(tmp_path, table, images, words):
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unusable) as caught:
        sources(tmp_path / table, images and tmp_path / images)
    assert str(caught.value).endswith(words)


def test_every_call_is_one_of_the_document(files, operation):
    asked = []

    def recorded(serve):
        def answer(request):
            if request.url.host == "platform":
                asked.append(request)
            return serve(request)

        return answer

    upload(recorded(Store()), files)
    upload(recorded(Store(["away"])), files)
    for request in asked:
        operation(request)
    assert {request.method for request in asked} == {"GET", "POST", "PATCH", "DELETE"}
