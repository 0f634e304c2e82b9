"""What is asked of an OpenID provider, and every answer of it by which nobody is signed in."""

from __future__ import annotations

import base64
import hmac
import json
import time
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc.jwk import OctKey, RSAKey

from runtime.access.models import Flow
from runtime.settings import InvalidSettings, load
from services.api.oidc import NotSignedIn, Provider
from services.api.oidc_settings import OidcSettings
from services.api.routes_oidc import own
from support.openid_provider import CLIENT, SECRET, OpenIdProvider

AT = "http://localhost"


@pytest.fixture(scope="module")
def rsa():
    return [RSAKey.generate_key(2048, {"kid": kid}) for kid in ("first", "second")]


@pytest.fixture
def provider(rsa):
    """It: at the other end of the wire."""
    provider = OpenIdProvider(rsa[0])
    with provider.serving():
        yield provider


@pytest.fixture(scope="module")
def tls():
    return httpx2.create_ssl_context()


@pytest.fixture
def made(provider, tls):
    """Make what asks it."""

    def make(**settings):
        return Provider(
            OidcSettings(
                **{
                    "database_url": "sqlite:////nowhere",
                    "redis_url": "redis://nowhere",
                    "objects_url": "file:///nowhere",
                    "oidc_issuer": provider.origin,
                    "oidc_client_id": CLIENT,
                    "oidc_client_secret": SECRET,
                    "oidc_allowed": "Ada@example.org, @lab.example",
                    "public_url": AT,
                    **settings,
                }
            ),
            tls,
        )

    return make


@pytest.fixture
def sign_in(provider):
    """Go the whole way; gives the name."""

    def go(asking):
        flow = Flow(state="state", nonce="nonce", verifier="verifier" * 8, target="/")
        back = provider.visit(asking.address(flow))
        return asking.person(dict(parse_qsl(urlsplit(back).query))["code"], flow)

    return go


def test_a_code_is_exchanged_with_the_verifier_and_the_secret(made, provider, sign_in):
    assert sign_in(made()) == "ada@example.org"
    [exchange] = provider.exchanged
    assert exchange["basic"] == (CLIENT, SECRET)
    assert exchange["code_verifier"] == "verifier" * 8
    assert exchange["redirect_uri"] == f"{AT}/api/session/oidc/callback/"


def test_a_public_client_sends_no_secret(made, provider, sign_in):
    sign_in(made(oidc_client_secret=None))
    assert provider.exchanged[0]["basic"] is None
    assert provider.exchanged[0]["client_id"] == CLIENT


def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(made, provider, sign_in):
    provider.about = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    sign_in(made())
    assert provider.exchanged[0]["client_secret"] == SECRET


def test_what_a_provider_says_of_itself_is_asked_once_and_new_keys_are_heard_of(made, provider, rsa, sign_in):
    asking = made()
    for _ in range(2):
        sign_in(asking)
    assert [provider.calls.count(path) for path in ("/.well-known/openid-configuration", "/keys")] == [1, 1]
    provider.key, provider.published = rsa[1], [rsa[1]]
    assert sign_in(asking) == "ada@example.org"
    assert provider.calls.count("/keys") == 2


def wrong(words, status=401, **changes):
    return pytest.param(changes, status, words, id=words)


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        wrong("Invalid claim: 'nonce'", claims={"nonce": "another"}),
        wrong("Missing claim: 'nonce'", claims={"nonce": None}),
        wrong("Invalid claim: 'aud'", claims={"aud": "another"}),
        wrong("Missing claim: 'azp'", claims={"aud": [CLIENT, "another"]}),
        wrong("Invalid claim: 'azp'", claims={"azp": "another"}),
        wrong("Invalid claim: 'iss'", claims={"iss": "https://evil.example"}),
        wrong("expired", claims={"exp": NOW - 3600}),
        wrong("Missing claim: 'exp'", claims={"exp": None}),
        wrong("Missing claim: 'sub'", claims={"sub": None}),
        wrong("at_hash", claims={"at_hash": "x"}),
        wrong("sent no ID token", token={"id_token": None}),
        wrong("Invalid JSON Web Signature", token={"id_token": "a.b"}),
        wrong("refused the code of this sign-in (invalid_grant)", refuses="invalid_grant"),
        wrong("OIDC_CLIENT_SECRET", 503, refuses="invalid_client"),
        wrong("has not verified that ada@example.org", 403, claims={"email_verified": False}),
        wrong("has not verified that ada@lab.example", 403, claims={"email": "ada@lab.example", "email_verified": None}),
        wrong("eve@example.org is not among", 403, claims={"email": "eve@example.org"}),
        wrong("ada@example.org@evil.example", 403, claims={"email": "ada@example.org@evil.example"}),
        wrong("eve@lab.example.evil.example", 403, claims={"email": "eve@lab.example.evil.example"}),
        wrong("eve@xlab.example", 403, claims={"email": "eve@xlab.example"}),
        wrong("ada@example.or\N{KELVIN SIGN}", 403, claims={"email": "ada@example.or\N{KELVIN SIGN}"}),
        wrong("<b>@x is not", 403, claims={"email": "<b>@x"}),
        wrong("does not tell your e-mail", 403, claims={"email": None}, userinfo={"sub": "248289761001"}),
        wrong("somebody else", claims={"email": None}, userinfo={"sub": "1", "email": "ada@example.org"}),
    ],
)  # fmt: skip
def test_nobody_is_signed_in_where(made, provider, changes, status, words, sign_in):
    for name, value in changes.items():
        setattr(provider, name, value)
    with pytest.raises(NotSignedIn) as caught:
        sign_in(made())
    assert (caught.value.status, words in str(caught.value)) == (status, True), str(caught.value)
    assert SECRET not in str(caught.value)


def forged(token, algorithm, key):
    """Write another algorithm into a token and sign it by that, or not at all."""
    head, payload, _ = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    signed = f"{encoded(json.dumps(header | {'alg': algorithm}).encode())}.{payload}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), 'sha256')) if key else ''}"


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rsa: {"key": RSAKey.import_key(rsa[1].as_dict(private=True) | {"kid": "first"})}, id="another key of that id"),
        pytest.param(lambda rsa: {"key": rsa[1]}, id="a key that is not published"),
        pytest.param(lambda _rsa: {"forge": lambda token: forged(token, "none", b"")}, id="unsigned"),
        pytest.param(
            lambda rsa: {"forge": lambda token: forged(token, "HS256", rsa[0].as_pem(private=False))},
            id="signed by the public key as if it were a secret",
        ),
        pytest.param(lambda _rsa: {"published": [OctKey.import_key("x" * 32, {"kid": "first"})]}, id="a key of another kind"),
        pytest.param(lambda _rsa: {"forge": lambda token: token[:-9] + "AAAAAAAAA"}, id="a changed signature"),
    ],
)  # fmt: skip
def test_a_token_counts_only_by_a_key_of_the_provider(made, provider, rsa, change, sign_in):
    provider.published = [rsa[0]]
    for name, value in change(rsa).items():
        setattr(provider, name, value)
    with pytest.raises(NotSignedIn, match=r"^The ID token of .* does not count: ") as caught:
        sign_in(made())
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "refused or given up"),
        ("login_required", "(login_required)"),
        ("<script>", "signed nobody in."),
        ("", "signed nobody in."),
    ],
)
def test_a_provider_that_signs_nobody_in_is_told(made, error, words):
    refused = made().refused(error)
    assert (refused.status, words in str(refused)) == (403, True)


@pytest.mark.parametrize(
    ("claims", "userinfo", "allowed", "name"),
    [
        ({}, {}, "*", "ada@example.org"),
        ({"email": "ADA@Example.org"}, {}, "ada@example.org", "ADA@Example.org"),
        ({"email": "eve@LAB.example"}, {}, "@Lab.example", "eve@LAB.example"),
        ({"email_verified": "true"}, {}, "ada@example.org", "ada@example.org"),
        ({"email": None}, {"sub": "248289761001", "email": "ada@example.org", "email_verified": True}, "*", "ada@example.org"),
        ({"email_verified": False}, {}, "*", "248289761001 at "),
    ],
)  # fmt: skip
def test_who_comes_in_is_known_by(made, provider, claims, userinfo, allowed, name, sign_in):
    provider.claims, provider.userinfo = claims, userinfo
    assert sign_in(made(oidc_allowed=allowed)).startswith(name)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"issuer": "https://other.example"}, "OIDC_ISSUER"),
        ({"token_endpoint": None}, "token_endpoint"),
        ({"authorization_endpoint": "http://evil.example/"}, "authorization_endpoint at https"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
    ],
)
def test_a_provider_that_says_odd_things_of_itself_is_told(made, provider, about, words, sign_in):
    provider.about = about
    with pytest.raises(NotSignedIn, match=words) as caught:
        sign_in(made())
    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/jobs/1?a=b&c=%20#review", "/jobs/1?a=b&c=%20#review"),
        ("/jobs?search=ü", "/jobs?search=%C3%BC"),
        ("", "/"),
        ("jobs", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\/evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        (" /jobs", "/"),
    ],
)
def test_only_a_path_of_this_origin_is_gone_to(given, kept):
    assert own(given) == kept


WHOLE = {
    "OIDC_ISSUER": "https://a.example",
    "OIDC_CLIENT_ID": "c",
    "OIDC_ALLOWED": "*",
    "PUBLIC_URL": "https://t.example",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"OIDC_ISSUER": "http://localhost:8080/realms/x", "PUBLIC_URL": "http://127.0.0.1:8080"}, []),
        ({"OIDC_CLIENT_ID": "", "OIDC_ALLOWED": "", "PUBLIC_URL": ""}, ["OIDC_CLIENT_ID, OIDC_ALLOWED, PUBLIC_URL"]),
        ({"OIDC_ISSUER": "http://a.example"}, ["OIDC_ISSUER is"]),
        ({"OIDC_ISSUER": "https://a.example?x"}, ["OIDC_ISSUER is"]),
        ({"PUBLIC_URL": "https://t.example/ui"}, ["PUBLIC_URL is"]),
        ({"PUBLIC_URL": "http://t.example"}, ["PUBLIC_URL is"]),
        ({"OIDC_ALLOWED": "ada"}, ["OIDC_ALLOWED is", "'ada'"]),
        ({"OIDC_SCOPES": "read,root", "OIDC_ALLOWED": "a b@c"}, ["OIDC_SCOPES is", "root is no scope", "OIDC_ALLOWED is"]),
    ],
)  # fmt: skip
def test_settings_that_are_wrong_are_named_all_at_once(monkeypatch, changes, words):
    base = {"DATABASE_URL": "sqlite:////x", "REDIS_URL": "redis://x", "OBJECTS_URL": "file:///x"}
    for name, value in {**base, **WHOLE, **changes}.items():
        monkeypatch.setenv(name, value)
    if not words:
        assert load(OidcSettings).public_url
        return
    with pytest.raises(InvalidSettings) as caught:
        load(OidcSettings)
    assert [word for word in words if word not in str(caught.value)] == []
