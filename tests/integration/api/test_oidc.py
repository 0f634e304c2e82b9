"""Sign-in at an OpenID provider: the whole way over a small one, and every way that it must not end well."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import update

from runtime.access.models import Flow, SignIn
from runtime.db import now
from services.api.app import create_app
from services.api.settings import ApiSettings
from support.openid_provider import CLIENT, SECRET, OpenIdProvider

pytestmark = pytest.mark.sqlite

AT = "http://localhost"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
# Databases differ in what happens to a row, and in nothing else here
one_database = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
BEGIN, CALLBACK = "/api/session/oidc/", "/api/session/oidc/callback/"


@pytest.fixture(scope="module")
def rsa():
    return [RSAKey.generate_key(2048, {"kid": kid}) for kid in ("first", "second")]


@pytest.fixture
def provider(rsa):
    provider = OpenIdProvider(rsa[0])
    with provider.serving():
        yield provider


@pytest.fixture
def made(platform, provider):
    """Make apps that people sign in to at the provider."""
    apps = []

    def make(**settings):
        app = create_app(
            ApiSettings(
                **platform.settings.model_dump(exclude_unset=True),
                **{
                    "oidc_issuer": provider.origin,
                    "oidc_client_id": CLIENT,
                    "oidc_client_secret": SECRET,
                    "oidc_allowed": "Ada@example.org, @lab.example",
                    "public_url": AT,
                    **settings,
                },
            )
        )
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions["triptych"].db.engine.dispose()


@pytest.fixture
def browser(made):
    return made().test_client()


def leave(browser, provider, target="/jobs"):
    """Begin, and go through the provider; gives the query that it sends the browser back with."""
    answer = browser.get(BEGIN, query_string={"next": target})
    assert answer.status_code == 302, answer.text
    back = provider.visit(answer.location)
    assert back.startswith(f"{AT}{CALLBACK}?")
    return dict(parse_qsl(urlsplit(back).query))


def sign_in(browser, provider):
    return browser.get(CALLBACK, query_string=leave(browser, provider))


def test_a_person_signs_in_and_works_in_the_workspace(made, provider, platform):
    app = made(oidc_scopes="read")
    browser = app.test_client()
    asked = browser.get(BEGIN, query_string={"next": "/jobs/1?tab=curves"})
    query = dict(parse_qsl(urlsplit(asked.location).query))
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == f"{AT}{CALLBACK}"
    assert query["scope"] == "openid email"
    [cookie] = asked.headers.getlist("Set-Cookie")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Max-Age=600", f"Path={BEGIN}"))
    assert not any(query[name] in cookie for name in ("state", "nonce"))
    back = provider.visit(asked.location)

    # Another process, which knows nothing of the first, answers the browser that comes back
    other = made(oidc_scopes="read").test_client()
    other.set_cookie("triptych_oidc", browser.get_cookie("triptych_oidc", path=BEGIN).value, path=BEGIN)
    answer = other.get(back.removeprefix(AT))
    assert (answer.status_code, answer.location) == (303, "/jobs/1?tab=curves")
    assert answer.headers["Cache-Control"] == "no-store"
    session, forgotten = answer.headers.getlist("Set-Cookie")
    assert all(part in session for part in ("triptych_session=", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert forgotten.startswith("triptych_oidc=;")
    assert other.get("/api/session/").json == {
        "name": "ada@example.org",
        "workspace": "default",
        "workspace_name": "default",
        "scopes": ["read"],
        "signed_in": True,
    }
    assert other.post("/api/keys/", json={"name": "k", "scopes": ["read"]}).status_code == 403
    [exchange] = provider.exchanged
    assert exchange["basic"] == (CLIENT, SECRET)
    with platform.database.read() as db:
        assert db.query(Flow).count() == 0
        assert db.query(SignIn).one().key_id is None


@one_database
def test_by_https_the_cookies_go_by_https_alone(made):
    client = made(public_url="https://triptych.example.org/").test_client()
    answer = client.get(BEGIN)
    assert "redirect_uri=https%3A%2F%2Ftriptych.example.org%2Fapi%2Fsession" in answer.location
    assert "; Secure" in answer.headers["Set-Cookie"]


@one_database
def test_a_person_who_may_not_come_in_reads_so_and_is_not_signed_in(browser, provider, platform):
    provider.claims = {"email": "<b>@x"}
    answer = browser.get(CALLBACK, query_string=leave(browser, provider), headers=HTML)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "&lt;b&gt;@x is not among those who may come in here. Ask whoever runs" in answer.text
    assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert "triptych_session" not in str(answer.headers)
    provider.claims = {"aud": "another"}
    answer = sign_in(browser, provider)
    assert (answer.status_code, answer.json["title"]) == (401, "Not signed in")
    assert "triptych_session" not in str(answer.headers)
    with platform.database.read() as db:
        assert db.query(SignIn).count() == 0


@one_database
def test_a_refusal_at_the_provider_is_told_and_nothing_exchanged(browser, provider):
    answer = browser.get(
        CALLBACK, query_string=leave(browser, provider) | {"code": "", "error": "access_denied"}
    )
    assert (answer.status_code, "refused or given up" in answer.json["detail"]) == (403, True)
    assert provider.exchanged == []


def expire(platform):
    with platform.database.write() as db:
        db.execute(update(Flow).values(expires_at=now() - timedelta(seconds=1)))
    return {}


@one_database
def test_a_code_is_not_even_exchanged_without_the_browser_that_began(browser, provider, platform):
    ways = {
        "another state": lambda: {"state": "another"},
        "no state": lambda: {"state": ""},
        "another browser": lambda: browser.delete_cookie("triptych_oidc", path=BEGIN) or {},
        "begun anew": lambda: leave(browser, provider) and {},
        "too late": lambda: expire(platform),
    }
    for way, change in ways.items():
        query = leave(browser, provider)
        answer = browser.get(CALLBACK, query_string=query | change())
        assert answer.status_code == 400, way
        assert "no such sign-in under way" in answer.json["detail"]
        assert AT in answer.json["detail"]
    assert provider.exchanged == []


def test_a_way_back_is_gone_once(browser, provider):
    query, cookie = leave(browser, provider), browser.get_cookie("triptych_oidc", path=BEGIN).value
    assert browser.get(CALLBACK, query_string=query).status_code == 303
    browser.set_cookie("triptych_oidc", cookie, path=BEGIN)
    assert browser.get(CALLBACK, query_string=query).status_code == 400
    assert len(provider.exchanged) == 1


@one_database
def test_a_provider_that_is_away_is_told_at_either_end(made):
    gone = OpenIdProvider(RSAKey.generate_key(2048))
    with gone.serving():
        browser = made(oidc_issuer=gone.origin).test_client()
        query = leave(browser, gone)
    answer = browser.get(CALLBACK, query_string=query)
    assert (answer.status_code, "does not answer" in answer.json["detail"]) == (503, True)
    answer = made(oidc_issuer=gone.origin).test_client().get(BEGIN, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "sign in by a key" in answer.text
    assert "Set-Cookie" not in answer.headers


@one_database
def test_a_workspace_that_is_not_there_is_told(made, provider):
    answer = sign_in(made(oidc_workspace="nowhere").test_client(), provider)
    assert (answer.status_code, "OIDC_WORKSPACE" in answer.json["detail"]) == (503, True)


@one_database
def test_another_site_is_not_gone_to_after_the_whole_way_either(browser, provider):
    answer = browser.get(CALLBACK, query_string=leave(browser, provider, "//evil.example"))
    assert (answer.status_code, answer.location) == (303, "/")


@one_database
def test_without_the_setting_there_is_a_key_alone(platform, made):
    client = platform.app.test_client()
    assert client.get("/api/session/ways/").json == {"key": True, "oidc": None}
    for path in (BEGIN, CALLBACK):
        assert (client.get(path).status_code, "OIDC_ISSUER" in client.get(path).json["detail"]) == (404, True)
    name = made().test_client().get("/api/session/ways/").json["oidc"]["name"]
    assert name.startswith("127.0.0.1:")
