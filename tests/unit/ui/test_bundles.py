"""The files of every page: one of scripts, one of styles, and the chart library that this repository carries."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from ui import bundles
from ui.app import create_app
from ui.compression import StaticFiles
from ui.settings import UiSettings

FILES = bundles.read()
VENDORED = Path(bundles.__file__).parent / "vendored"


@pytest.fixture
def client():
    client = create_app(UiSettings()).server.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer k"
    return client


def test_what_is_vendored_is_what_was_built():
    for line in (VENDORED / "SHA256SUMS").read_text("utf-8").splitlines():
        expected, name = line.split("  ")
        content = (VENDORED / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected, f"{name} was edited: run `make chart-library`"


def test_the_chart_library_is_the_version_that_its_recipe_names():
    recipe = (Path(__file__).parents[3] / "scripts/chart-library/package.json").read_text("utf-8")
    version = re.search(r'"plotly.js": "([0-9.]+)"', recipe)[1]
    assert FILES[bundles.CHARTS].content.startswith(f"/* plotly.js {version}, MIT licence".encode())
    assert f"## plotly.js {version}: MIT" in (VENDORED / "plotly.licences.md").read_text("utf-8")


def test_a_page_asks_for_our_files_by_their_fingerprints_and_for_none_of_them_twice(client):
    asked = re.findall(r'(?:src|href) ?= ?"(/bundles/[^"]+)"', client.get("/jobs/1").text)
    assert sorted(asked) == sorted(
        FILES[name].address for name in ("triptych.js", "triptych.css", bundles.CHARTS)
    )


def test_every_script_and_style_is_in_the_bundles():
    for path in (Path(bundles.__file__).parent / "assets").iterdir():
        assert path.read_bytes() in FILES[f"triptych{path.suffix}"].content


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_bundles_are_compressed_once_and_kept_for_long(client, name, encoding):
    address = FILES[name].address
    answers = [client.get(address, headers={"Accept-Encoding": encoding}) for _ in range(2)]
    assert [answer.headers["Content-Encoding"] for answer in answers] == [encoding] * 2
    assert answers[0].data == answers[1].data
    assert len(answers[0].data) < len(FILES[name].content) / 2
    assert answers[0].cache_control.max_age >= 30 * 86_400
    assert "Accept-Encoding" in answers[0].headers["Vary"]
    plain = client.get(address)
    assert "Content-Encoding" not in plain.headers
    assert plain.data == FILES[name].content


def test_a_page_from_before_an_upgrade_gets_the_file_but_does_not_keep_it(client):
    answer = client.get(f"/bundles/0123456789abcdef/{bundles.CHARTS}")
    assert answer.status_code == 200
    assert answer.cache_control.max_age == 0


def test_there_are_no_other_bundles(client):
    assert client.get("/bundles/0123456789abcdef/other.js").status_code == 404


def test_answers_that_differ_are_not_kept():
    files = StaticFiles()
    files.set("gzip;", b"one person's page")
    files.set("gzip;/_dash-component-suites/a.js", b"script")
    assert files.get("gzip;") is None
    assert files.get("gzip;/_dash-component-suites/a.js") == b"script"
    for number in range(200):
        files.set(f"gzip;/_dash-component-suites/{number}.js", b"")
    assert files.get("gzip;/_dash-component-suites/a.js") is None
