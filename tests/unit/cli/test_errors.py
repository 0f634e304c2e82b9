"""What a call's error becomes on the terminal: one line, and an exit status of its own."""

from __future__ import annotations

import sys

import httpx
import pytest

from cli import main
from client import Client
from client.errors import Away, HalfSent, Refused, StoreAway


@pytest.fixture
def end(monkeypatch, capsys):
    """Run `triptych models` against a platform; gives the exit status and what stands on standard error."""

    def run(serve, *options):
        transport = httpx.MockTransport(serve if callable(serve) else lambda _request: serve)
        monkeypatch.setattr("cli.session.Client", lambda url, key: Client(url, key, transport=transport))
        monkeypatch.setattr(sys, "argv", ["triptych", "--url", "http://platform", *options, "models"])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (
            httpx.Response(422, json={"title": "Invalid", "detail": "target: no column is called 'x'"}),
            4,
            "target: no column is called 'x' (HTTP 422)",
        ),
        (httpx.Response(404, json={"title": "Not Found"}), 4, "Not Found (HTTP 404)"),
        (httpx.Response(413, text="<html>nginx</html>"), 4, "Request Entity Too Large (HTTP 413)"),
        (
            httpx.Response(503, json={"detail": "The api service does not answer."}),
            5,
            "The api service does not answer. (HTTP 503)",
        ),
        (httpx.Response(500, json=["not", "a", "problem"]), 5, "Internal Server Error (HTTP 500)"),
        (httpx.Response(200, text="<html>a router's page</html>"), 1, "is it Triptych?"),
        (httpx.Response(302, headers={"Location": "/login"}), 4, "Found (HTTP 302)"),
    ],
)
def test_what_is_answered_becomes_one_line_and_a_status(end, answer, status, words):
    code, line = end(answer)
    assert (code, words in line) == (status, True)
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            httpx.ConnectError("Connection refused"),
            "Nothing answers at http://platform (Connection refused). Start it with: triptych up\n",
        ),
        (
            httpx.ReadError("reset by peer"),
            "The connection to http://platform broke off: reset by peer\n",
        ),
        (
            httpx.RemoteProtocolError(""),
            "The connection to http://platform broke off: RemoteProtocolError\n",
        ),
    ],
)
def test_silence_says_how_it_is(end, error, line):
    def serve(_request):
        raise error

    assert end(serve) == (3, line)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", ""])
def test_what_is_no_url_is_said_so(end, url):
    code, line = end(httpx.Response(200, json={}), "--url", url)
    assert code == 1
    assert line.startswith(f"--url {url!r} is not a")


def test_a_key_that_cannot_be_sent_is_said_so(end):
    code, line = end(httpx.Response(200, json={}), "--key", "“trp_1”")
    assert code == 1
    assert line.startswith("--key holds characters that no API key has")


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (
            Away("", url="http://platform", cause="refused"),
            "Nothing answers at http://platform (refused). Start it with: triptych up",
        ),
        (Refused(503, {"detail": "It restarts."}), "It restarts. (HTTP 503)"),
        (StoreAway("store refused a part of the upload (HTTP 503).", status=503),
         "store refused a part of the upload (HTTP 503)."),
    ],
)  # fmt: skip
def test_an_upload_that_is_given_up_says_how_to_go_on(end, monkeypatch, last, words):
    def models(_client):
        raise HalfSent(last, "http://platform", 2000, 4000)

    monkeypatch.setattr(Client, "models", models)
    there = "2000 of 4000 bytes are there. Give the same command again to go on."
    assert end(httpx.Response(200, json={})) == (3, f"{words} {there}\n")
