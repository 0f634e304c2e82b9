"""The fake API's client, for tests of pages without a browser."""

from __future__ import annotations

import httpx
import pytest
from browser.fake_api import FakePlatform
from browser.fake_routes import create_api
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from client import Api


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture
def api(platform):
    origin = DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
    return Api(httpx.Client(base_url="http://origin", transport=httpx.WSGITransport(app=origin)))
