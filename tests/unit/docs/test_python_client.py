"""The code of the page on the Python client, as it stands there, against the platform in memory."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from browser.fake_api import FakePlatform
from browser.fake_routes import create_api
from PIL import Image
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

import client

PAGE = Path(__file__).parents[3] / "docs/how-to/python-client.md"


class Trains(httpx.WSGITransport):
    """The platform, on which a job ends well once someone follows it."""

    def __init__(self, platform):
        super().__init__(
            app=DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
        )
        self.platform = platform

    def handle_request(self, request):
        job_id = request.url.path.split("/")[-3]
        if request.url.path.endswith("/events/"):
            self.platform.start(job_id)
            self.platform.succeed(job_id)
        return super().handle_request(request)


@pytest.fixture
def platform(tmp_path, monkeypatch):
    running = FakePlatform()
    running.asks_for_key = True
    _, key = running.add_key("nightly", ["read", "write"])
    (tmp_path / "drawings").mkdir()
    for name in ("a", "b"):
        Image.new("L", (8, 8)).save(tmp_path / f"drawings/{name}.png")
    (tmp_path / "letters.csv").write_text("picture,script\na.png,Latin\nb.png,Greek\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIPTYCH_KEY", key)
    transport = Trains(running)
    whole = client.Client
    monkeypatch.setattr(client, "Client", lambda url, key: whole(url, key, transport))
    return running


def test_the_page_leads_from_a_table_to_a_model(platform, capsys):
    platform.add_dataset("letters of before.csv", "picture,script\na.png,Latin\n")
    names = {}
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ):
        if "Refused" in block:
            platform.refuse_job = {"target": ["there is no column 'no such column'"]}
        exec(compile(block, f"{PAGE.name}, block {number + 1}", "exec"), names)  # noqa: S102 - it is ours
    shown = capsys.readouterr().out
    assert "letters of before.csv ready" in shown
    assert re.search(r"^epoch \d: accuracy 0\.\d{3}$", shown, re.MULTILINE)
    assert "succeeded finished after 6 epochs {'accuracy': 0.917" in shown
    assert {"model.safetensors", "report.json"} <= {path.name for path in Path("model").iterdir()}
    assert "{'target': \"there is no column 'no such column'\"} []" in shown
    [made] = platform.jobs.values()
    assert (made["target"], made["settings"]["epochs"]) == ("script", 5)
    assert platform.uploaded["file", "letters.csv"].startswith(b"picture,script")
    assert set(platform.uploaded_names) == {"a.png", "b.png"}
