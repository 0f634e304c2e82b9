"""What browsers are told of pages; that every page lives with it, each browser test sees by its console."""

from __future__ import annotations

import base64
import hashlib
import re

from ui.app import create_app
from ui.settings import UiSettings


def page(**settings):
    app = create_app(UiSettings(api_base="http://127.0.0.1:1", **settings))
    return app.server.test_client().get("/", headers={"Authorization": "Bearer k"})


def test_every_inline_script_of_a_page_is_one_that_the_policy_names():
    answer = page()
    policy = answer.headers["Content-Security-Policy"]
    inline = re.findall(
        r"<script(?![^>]*(?:\bsrc=|application/json))[^>]*>(.*?)</script>", answer.text, re.DOTALL
    )
    assert len(inline) > 1
    for script in inline:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    [scripts] = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert "unsafe" not in scripts
    assert "frame-ancestors 'none'" in policy


def test_other_origins_and_https_are_named_where_they_are_set():
    answer = page(csp_origins="https://s3.example https://cdn.example", hsts_seconds=60)
    assert (
        "connect-src 'self' https://s3.example https://cdn.example;"
        in answer.headers["Content-Security-Policy"]
    )
    assert answer.headers["Strict-Transport-Security"] == "max-age=60; includeSubDomains"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in page().headers
