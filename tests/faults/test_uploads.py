"""The api is killed in the middle of a chunk: what it acknowledged is there, and the upload goes on."""

from __future__ import annotations

import hashlib
import random
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from client import Client
from client.files import Stream, sources
from support.platform import Platform, shapes
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
CHUNK = 256 * 1024
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def platform(tmp_path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "platform", UPLOAD_CHUNK_BYTES=str(CHUNK))
    platform.folder.mkdir()
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture
def files(tmp_path):
    table, images = shapes(rows=60)
    (tmp_path / "shapes.csv").write_bytes(table)
    rng = random.Random(0)
    for number, path in enumerate(images):
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        # a PNG goes on being one with anything behind its end; so it fills chunks
        (tmp_path / "data" / path).write_bytes(images[path] + rng.randbytes(1000 * number))
    return tmp_path / "shapes.csv", tmp_path / "data"


def kill_api(platform: Platform) -> None:
    api = [
        process
        for process in psutil.Process(platform.pid).children(recursive=True)
        if "services.api" in process.cmdline() and "--bind" in process.cmdline()
    ]
    assert api
    for process in api:
        process.kill()
    psutil.wait_procs(api, timeout=30)


def offset(platform: Platform, path: str) -> int | None:
    answer = platform.client.head(path, headers=TUS)
    return int(answer.headers["Upload-Offset"]) if answer.status_code == 200 else None


def test_the_api_is_killed_in_the_middle_of_a_chunk(platform, files):
    stream = Stream(sources(*files))
    wish = {"files": [source.told() for source in stream.sources], "fingerprint": stream.fingerprint(None)}
    path = f"/api/uploads/{platform.client.post('/api/uploads/', json=wish).json()['id']}/"

    def patch(at: int, body) -> int:
        headers = TUS | {"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
        return platform.client.patch(path, content=body, headers=headers).status_code

    def torn():
        chunk = stream.read(CHUNK, CHUNK)
        yield chunk[: CHUNK // 2]
        kill_api(platform)
        yield chunk[CHUNK // 2 :]

    assert patch(0, stream.read(0, CHUNK)) == 204
    with suppress(httpx.TransportError):  # or the gateway answers that the api broke off
        assert patch(CHUNK, torn()) in {502, 503}
    assert until(lambda: offset(platform, path), "the api to be back", seconds=60) == CHUNK

    sent: list[int] = []
    with closing(Client(platform.url)) as client:
        dataset = client.upload(*files, advance=sent.append)
    assert sent[0] == CHUNK, "it did not go on where it was"
    assert dataset["id"] in path
    assert platform.ready(dataset["id"])["state"] == "ready"
    stored = platform.folder / "var" / "objects" / "datasets" / dataset["id"]
    for source in stream.sources:
        place = stored / ("table.csv" if source.field == "file" else f"images/{source.name}")
        assert (
            hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(source.path.read_bytes()).digest()
        )
    until(lambda: not (platform.folder / "var" / "spool" / dataset["id"]).exists(), "the spool to be freed")
