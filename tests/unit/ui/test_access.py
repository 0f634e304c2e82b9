"""The proof of a browser's request goes along to the API, and to nobody else."""

from __future__ import annotations

import flask
import httpx
import pytest

from ui import access


@pytest.fixture
def server():
    server = flask.Flask("ui")
    access.install(server)
    server.add_url_rule("/callback", "callback", lambda: "done", methods=["GET", "POST"])
    return server


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, {}),
        ({"Authorization": "Bearer k"}, {"authorization": "Bearer k"}),
        ({"Cookie": "other=1; triptych_session=s"}, {"cookie": "triptych_session=s"}),
        ({"Authorization": "Bearer k", "Cookie": "triptych_session=s"}, {"authorization": "Bearer k"}),
        ({"Cookie": "other=1"}, {}),
    ],
)
def test_a_call_has_the_proof_of_the_request_it_is_made_for(server, headers, sent):
    seen = []

    def answer(request):
        seen.append(
            {name: request.headers[name] for name in ("authorization", "cookie") if name in request.headers}
        )
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=access.forward) as client:
        with server.test_request_context("/", headers=headers):
            client.get("http://api/")
        client.get("http://api/")
    assert seen == [sent, {}]


def test_the_proof_does_not_follow_a_redirect_to_another_host(server):
    seen = []

    def answer(request):
        seen.append("cookie" in request.headers or "authorization" in request.headers)
        return (
            httpx.Response(302, headers={"Location": "http://store/x"})
            if request.url.host == "api"
            else httpx.Response(200)
        )

    with httpx.Client(
        transport=httpx.MockTransport(answer), auth=access.forward, follow_redirects=True
    ) as client:
        for proof in ({"Authorization": "Bearer k"}, {"Cookie": "triptych_session=s"}):
            with server.test_request_context("/", headers=proof):
                client.get("http://api/")
    assert seen == [True, False] * 2


@pytest.mark.parametrize(
    ("method", "origin", "status"),
    [
        ("POST", None, 200),
        ("POST", "http://localhost", 200),
        ("POST", "https://evil.example", 403),
        ("POST", "null", 403),
        ("POST", "http://localhost:81", 403),
        ("GET", "https://evil.example", 200),
    ],
)
def test_another_sites_page_can_do_nothing(server, method, origin, status):
    headers = {"Origin": origin} if origin else {}
    assert server.test_client().open("/callback", method=method, headers=headers).status_code == status
