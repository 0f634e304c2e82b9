"""The account page: who sees what of it, and what its form for a key asks the API for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import plotly.utils
import pytest
from browser.fake_api import FIRST_KEY, FakePlatform
from browser.fake_routes import create_api
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from client import Api, Away, Refused
from ui import routing
from ui.pages import account_keys
from ui.parts import failure

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def text(node):
    return json.dumps(node, cls=plotly.utils.PlotlyJSONEncoder, ensure_ascii=False)


@pytest.fixture
def see():
    """Show the page to somebody with these scopes."""

    def show(scopes):
        platform = FakePlatform()
        platform.asks_for_key = True
        _, key = platform.add_key("Ada", scopes)
        origin = DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
        client = httpx.Client(
            base_url="http://origin",
            transport=httpx.WSGITransport(app=origin),
            headers={"Authorization": f"Bearer {key}"},
        )
        return text(routing.show(Api(client), "/account", "")[0])

    return show


@pytest.mark.parametrize(
    ("scopes", "keys", "workspaces"),
    [
        (["read"], False, False),
        (["read", "write"], False, False),
        (["read", "admin"], True, False),
        (["read", "admin", "operator"], True, True),
        (["read", "operator"], False, False),
    ],
)
def test_each_sees_what_they_may_do(see, scopes, keys, workspaces):
    page = see(scopes)
    assert "look at everything in the workspace" in page
    assert ("upload, train, predict" in page) == ("write" in scopes)
    assert ('"key-make"' in page) == keys
    assert ('"workspace-make"' in page) == workspaces
    assert '"value": "operator"' not in page or "operator" in scopes
    assert FIRST_KEY not in page


@pytest.mark.parametrize(
    ("revoked", "expires", "state"),
    [
        (None, None, "active"),
        (None, NOW + timedelta(seconds=1), "active"),
        (None, NOW, "expired"),
        (NOW, None, "revoked"),
        (NOW, NOW, "revoked"),
    ],
)
def test_a_keys_state(revoked, expires, state):
    key = {"revoked_at": revoked and revoked.isoformat(), "expires_at": expires and expires.isoformat()}
    assert account_keys.state_of(key, NOW) == state


@pytest.mark.parametrize(
    ("expiry", "day", "expires_at"),
    [("", None, None), ("", "2031-02-03", None), ("date", "2031-02-03", "2031-02-03T23:59:59+00:00")],
)
def test_the_form_asks_for_a_key(expiry, day, expires_at):
    wish = {"name": "laptop", "scopes": ["read"], "expires_at": expires_at}
    assert account_keys.asked(" laptop ", ["read"], expiry, day) == (wish, {})


def test_days_count_from_now():
    wish, _ = account_keys.asked("laptop", ["read"], "90", None)
    left = datetime.fromisoformat(wish["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ((" ", ["read"], "", None), "name"),
        ((None, ["read"], "", None), "name"),
        (("laptop", [], "", None), "scopes"),
        (("laptop", ["read"], "date", None), "date"),
        (("laptop", ["read"], "date", "2031-02-30"), "date"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(given, wrong):
    assert list(account_keys.asked(*given)[1]) == [wrong]


@pytest.mark.parametrize(
    ("error", "title", "leads"),
    [
        (Refused(401, {"detail": "Sign in."}), "You are signed out", True),
        (Refused(403, {"detail": "This needs the scope 'write'."}), "Not allowed", False),
        (Away("The API took too long to answer."), "The platform does not answer", False),
    ],
)
def test_a_refusal_says_whether_to_sign_in(error, title, leads):
    told = text(failure(error))
    assert title in told
    assert str(error) in told
    assert ('"href": "/sign-in"' in told) == leads
