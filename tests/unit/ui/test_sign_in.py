"""Signing in and out, and where a browser without a proof that counts is sent."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import pytest
from browser.fake_api import FIRST_KEY, FakePlatform
from browser.fake_routes import create_api
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from client import Api
from ui import access, bundles, sign_in
from ui.app import create_app
from ui.settings import UiSettings


@pytest.fixture
def platform():
    platform = FakePlatform()
    platform.asks_for_key = True
    return platform


@pytest.fixture
def api(platform):
    origin = DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
    transport = httpx.WSGITransport(app=origin)
    return Api(
        httpx.Client(
            base_url="http://origin", transport=transport, auth=access.forward, cookies=access.no_cookies()
        )
    )


@pytest.fixture
def browser(api):
    server = flask.Flask("ui")
    access.install(server)
    sign_in.register(server, api, bundles.read())
    return server.test_client()


@pytest.fixture(scope="module")
def app():
    return create_app(UiSettings())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/jobs/1?a=b#review", True),
        ("/datasets/%5C%2Fx", True),
        ("/jobs?search=ü", True),
        ("", False),
        ("jobs", False),
        ("//evil.example", False),
        ("///evil.example", False),
        ("/\\evil.example", False),
        ("\\/evil.example", False),
        ("/\t/evil.example", False),
        ("/\n/evil.example", False),
        ("https://evil.example/", False),
        ("http:/jobs", False),
        ("javascript:alert(1)", False),
        (" /jobs", False),
        ("/sign-in", False),
        ("/sign-in/?next=/jobs", False),
    ],
)
def test_only_an_address_of_this_origin_is_gone_to(browser, given, kept):
    assert sign_in.own(given) == (given if kept else "/")
    answer = browser.post("/sign-in", data={"key": FIRST_KEY, "next": given})
    assert answer.status_code == 303
    assert httpx.URL(answer.location) == httpx.URL(given if kept else "/")


def test_the_page_asks_for_a_key_and_keeps_where_to_go(browser):
    page = browser.get("/sign-in?next=/jobs?search=%22%3E%3Cb%3E")
    assert 'value="/jobs?search=&quot;&gt;&lt;b&gt;"' in page.text
    assert 'type="password" autocomplete="current-password"' in page.text
    assert "var/first-key" in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_a_provider_is_offered_where_the_platform_has_one(browser, platform):
    assert "/api/session/oidc/" not in browser.get("/sign-in").text
    platform.provider = "<accounts>.example.org"
    page = browser.get("/sign-in?next=/jobs?a=b%26c").text
    assert 'href="/api/session/oidc/?next=%2Fjobs%3Fa%3Db%26c"' in page
    assert "Sign in with &lt;accounts&gt;.example.org" in page
    assert 'type="password"' in page
    platform.down = True
    page = browser.get("/sign-in")
    assert (page.status_code, "/api/session/oidc/" in page.text) == (200, False)
    assert 'type="password"' in page.text


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({}, False),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "https,http"}, True),
        ({"X-Forwarded-Proto": "http, https"}, False),
    ],
)
def test_a_key_signs_the_browser_in_and_the_platforms_cookie_is_handed_on(browser, platform, headers, secure):
    answer = browser.post("/sign-in", data={"key": f" {FIRST_KEY}\n", "next": "/jobs"}, headers=headers)
    assert (answer.status_code, answer.location) == (303, "/jobs")
    (cookie,) = platform.sessions
    (given,) = answer.headers.getlist("Set-Cookie")
    assert given.startswith(f"triptych_session={cookie};")
    assert "HttpOnly" in given
    assert ("Secure" in given) == secure


def test_the_cookie_is_that_browsers_alone(browser, api):
    browser.post("/sign-in", data={"key": FIRST_KEY})
    with flask.Flask("ui").test_request_context("/"), pytest.raises(Exception, match="not known here"):
        api.who()


def test_another_cookie_of_the_platforms_is_not_handed_on():
    def answer(_request):
        return httpx.Response(
            200, headers=[("Set-Cookie", "balancer=1"), ("Set-Cookie", "triptych_session=s")]
        )

    server = flask.Flask("ui")
    sign_in.register(
        server,
        Api(httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))),
        bundles.read(),
    )
    given = server.test_client().post("/sign-in", data={"key": "k"})
    assert given.headers.getlist("Set-Cookie") == ["triptych_session=s"]


def test_a_wrong_key_is_told_in_the_platforms_words_and_not_said_again(browser):
    answer = browser.post("/sign-in", data={"key": "trp_wrong<b>", "next": "/jobs"})
    assert answer.status_code == 401
    assert "This key is not known here, was revoked, or has expired." in answer.text
    assert 'value="/jobs"' in answer.text
    assert "trp_wrong" not in answer.text


def test_a_platform_that_is_away_is_told(browser, platform):
    platform.down = True
    answer = browser.post("/sign-in", data={"key": FIRST_KEY})
    assert answer.status_code == 503
    assert "The platform does not answer" in answer.text
    assert "Still signed in" in browser.post("/sign-out").text


def test_another_sites_page_signs_nobody_in(browser, platform):
    answer = browser.post("/sign-in", data={"key": FIRST_KEY}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert not platform.sessions


def test_signing_out_ends_the_session_and_takes_the_cookie_away(browser, platform):
    browser.post("/sign-in", data={"key": FIRST_KEY})
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert not platform.sessions
    assert browser.get_cookie("triptych_session") is None


def test_who_says_nothing_is_sent_to_sign_in_without_a_call(app):
    app.early_api = None
    answer = app.server.test_client().get("/jobs/compare?jobs=a,b")
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    at = urlsplit(answer.location)
    assert (at.netloc, at.path, parse_qs(at.query)) == ("", "/sign-in", {"next": ["/jobs/compare?jobs=a,b"]})


def test_a_cookie_that_no_longer_counts_is_taken_away_and_leads_to_sign_in(app, api):
    app.early_api = api
    client = app.server.test_client()
    client.set_cookie("triptych_session", "old")
    answer = client.get("/jobs?page=2")
    assert (answer.status_code, answer.location) == (302, "/jobs?page=2")
    assert client.get("/jobs?page=2").location == "/sign-in?next=%2Fjobs%3Fpage%3D2"


def test_a_key_that_no_longer_counts_leads_to_sign_in(app, api):
    app.early_api = api
    answer = app.server.test_client().get("/jobs", headers={"Authorization": "Bearer trp_old"})
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=%2Fjobs")


def test_who_is_signed_in_gets_the_page(app, api, platform):
    app.early_api = api
    platform.sessions["c"] = platform.keys[FIRST_KEY]
    client = app.server.test_client()
    client.set_cookie("triptych_session", "c")
    answer = client.get("/datasets")
    assert answer.status_code == 200
    assert "Nothing here yet" in answer.text
