"""The REST client: uploads from disk, errors as one line, event streams that survive breaks."""

from __future__ import annotations

import httpx
import pytest

from cli import sse
from cli.client import Client
from cli.errors import ApiError, CommandFailed, ServerError, Unreachable
from cli.upload import find_images


def client_of(handler) -> Client:
    return Client("http://platform", transport=httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("answer", "kind", "status", "words"),
    [
        (
            httpx.Response(
                422, json={"title": "Invalid", "detail": "target: no column is called 'x'", "status": 422}
            ),
            ApiError,
            4,
            "target: no column is called 'x' (HTTP 422)",
        ),
        (httpx.Response(404, json={"title": "Not Found"}), ApiError, 4, "Not Found (HTTP 404)"),
        (httpx.Response(413, text="<html>nginx</html>"), ApiError, 4, "Request Entity Too Large (HTTP 413)"),
        (
            httpx.Response(503, json={"detail": "The api service does not answer."}),
            ServerError,
            5,
            "The api service does not answer. (HTTP 503)",
        ),
        (
            httpx.Response(500, json=["not", "a", "problem"]),
            ServerError,
            5,
            "Internal Server Error (HTTP 500)",
        ),
        (httpx.Response(200, text="<html>a router's page</html>"), CommandFailed, 1, "is it Triptych?"),
        (httpx.Response(302, headers={"Location": "/login"}), ApiError, 4, "Found (HTTP 302)"),
    ],
)
def test_errors_become_one_line_and_a_status(answer, kind, status, words):
    with pytest.raises(kind) as caught:
        client_of(lambda _request: answer).get("datasets/")
    assert words in str(caught.value)
    assert caught.value.status == status
    assert "\n" not in str(caught.value)


def test_nothing_there_says_how_to_start_it():
    with pytest.raises(
        Unreachable, match=r"Nothing answers at http://127\.0\.0\.1:1 .*Start it with: triptych up"
    ):
        Client("http://127.0.0.1:1").get("models/")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", ""])
def test_what_is_no_url_is_said_so(url):
    with pytest.raises(CommandFailed, match="is not a"):
        Client(url)


def test_unset_query_values_are_left_out_and_ids_cannot_leave_their_place():
    seen = []

    def handler(request):
        seen.append(request.url.raw_path.decode())
        return httpx.Response(204)

    client = client_of(handler)
    client.get("datasets/", search=None, page=2)
    list(
        client_of(lambda request: handler(request) and httpx.Response(200, text="event: end\n\n")).events(
            "../../x?"
        )
    )
    assert seen == ["/api/datasets/?page=2", "/api/training_jobs/..%2F..%2Fx%3F/events/"]


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
    with pytest.raises(CommandFailed) as caught:
        client_of(lambda _request: httpx.Response(500)).upload(tmp_path / table, images and tmp_path / images)
    assert str(caught.value).endswith(words)


def test_a_download_appears_whole_or_not_at_all(tmp_path):
    def broken():
        yield b"half"
        raise httpx.ReadError("gone")

    target = tmp_path / "model.pt"
    with pytest.raises(Unreachable, match="broke off"):
        client_of(lambda _request: httpx.Response(200, content=broken())).download(
            "/api/artifacts/j/model.pt", target
        )
    assert not target.exists()
    client_of(lambda _request: httpx.Response(200, content=b"whole")).download(
        "/api/artifacts/j/model.pt", target
    )
    assert target.read_bytes() == b"whole"


def test_streams_are_parsed_as_the_standard_says():
    lines = [
        "retry: 2000",
        "",
        ": a comment",
        "",
        "id: 7",
        "event: point",
        'data: {"a":',
        "data: 1}",
        "",
        "data:[2]",
        "",
        "event: cut-short",
        "data: 3",
    ]
    assert list(sse.parse(lines)) == [sse.Message("point", "7", {"a": 1}), sse.Message("message", None, [2])]


def message(event: str, number: int | None = None) -> list[str]:
    return [*([f"id: {number}"] if number else []), f"event: {event}", "data: {}", ""]


class Stream:
    """A server's side: what each connection brings; an exception ends it."""

    def __init__(self, *connections):
        self.connections = list(connections)
        self.asked_after = []

    def __call__(self, after):
        self.asked_after.append(after)
        for part in self.connections.pop(0):
            if isinstance(part, Exception):
                raise part
            yield from part


def test_a_broken_stream_goes_on_where_it_was():
    stream = Stream(
        [message("state", 1), message("heartbeat"), message("point", 2), httpx.ReadError("reset")],
        [sse.Retry("503")],
        [message("point", 3), message("end"), message("point", 4)],
    )
    pauses = []
    events = [m.event for m in sse.follow(stream, pause=pauses.append)]
    assert events == ["state", "heartbeat", "point", "point"]
    assert stream.asked_after == [None, "2", "2"]
    assert pauses == [0.5, 1.0]


def test_a_stream_that_cannot_be_had_is_given_up():
    stream = Stream(*[[httpx.ConnectError("refused")]] * 3)
    with pytest.raises(httpx.ConnectError, match="refused"):
        list(sse.follow(stream, tries=3, pause=lambda _seconds: None))
    assert stream.connections == []


def test_events_that_are_refused_are_not_tried_again():
    calls = []

    def handler(request):
        calls.append(request.headers.get("Last-Event-ID"))
        return httpx.Response(404, json={"detail": "no such job"})

    with pytest.raises(ApiError, match="no such job"):
        list(client_of(handler).events("j", last_id="5"))
    assert calls == ["5"]


def test_a_post_that_breaks_off_is_sent_once_more_under_the_same_key():
    keys = []

    def answer(request):
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(201, json={"id": "j"})

    client = client_of(answer)
    assert client.post("training_jobs/", {"dataset_id": "d"}) == {"id": "j"}
    assert client.post("training_jobs/", {"dataset_id": "d"}) == {"id": "j"}
    assert keys[0] == keys[1] != keys[2]
