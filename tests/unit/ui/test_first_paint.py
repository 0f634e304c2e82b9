"""A page as HTML: what is written of each component, and that nothing of a name someone gave becomes markup."""

from __future__ import annotations

import re

import dash_mantine_components as dmc
import pytest
from browser.one_origin import furnish
from dash import dcc, html

from ui import routing, shell
from ui.app import create_app
from ui.first_paint import written
from ui.settings import UiSettings


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (None, ""),
        (["a", 1, None, ["b"]], "a1b"),
        ("<b> & co", "&lt;b&gt; &amp; co"),
        (html.Div("x", className="card", id="one"), '<div id="one" class="card">x</div>'),
        (html.Div(id={"part": "x"}), "<div></div>"),
        (html.Div("x", style={"marginTop": "2px", "width": "3%"}), '<div style="margin-top:2px;width:3%">x</div>'),
        (html.Img(src='"><script>'), '<img src="&quot;&gt;&lt;script&gt;">'),
        (html.Label("x", htmlFor="y", hidden=True), '<label hidden for="y">x</label>'),
        (html.Button("x", id="y", className="b", n_clicks=3), '<span class="b">x</span>'),
        (html.Select([html.Option("x", value="1"), html.Option("y")], id="z"), "<span>x</span>"),
        (html.Span("x", **{"aria-label": "y"}), '<span aria-label="y">x</span>'),
        (dmc.Title("x", order=2, className="t"), '<h2 class="t">x</h2>'),
        (dmc.Anchor("x", href="/y", className="link"), '<a class="link">x</a>'),
        (dmc.Button("x"), '<span class="link-button size-sm primary">x</span>'),
        (dmc.Button("x", variant="default", size="xs"), '<span class="link-button size-xs">x</span>'),
        (dcc.Store(id="x", data="secret"), ""),
        (dmc.Modal("x", title="y", opened=False), ""),
    ],
)  # fmt: skip
def test_what_is_written(node, expected):
    assert written(node) == expected


def test_a_field_shows_its_words_and_what_it_holds():
    field = dmc.Select(label="Type", value="a", data=[{"value": "a", "label": "A <b>"}], className="narrow")
    assert re.findall(">([^<]+)<", written(field)) == ["Type", "A &lt;b&gt;"]


@pytest.mark.parametrize(
    "path", ["/", "/datasets", "/datasets/{animals}", "/jobs", "/jobs/new", "/jobs/{done}", "/jobs/{running}", "/jobs/compare", "/jobs/{done}/try"]
)  # fmt: skip
def test_every_page_is_written_with_its_heading(api, platform, path):
    title, page = routing.early(api, path.format(**furnish(platform)), "")
    assert title
    assert page.count("<h1") == 1
    assert "<script" not in page
    assert ' id="page"' not in page  # that is where Dash puts the page itself


@pytest.mark.parametrize("path", ["/jobs/unknown", "/nowhere"])
def test_what_is_wrong_is_left_to_the_page_itself(api, path):
    assert routing.early(api, path, "")[1] == ""


def test_an_api_that_is_away_does_not_hold_the_answer_up():
    app = create_app(UiSettings(api_base="http://127.0.0.1:9", api_timeout_seconds=1))
    answer = app.server.test_client().get("/jobs", headers={"Authorization": "Bearer k"})
    assert answer.status_code == 200
    assert "<title>Jobs · Triptych</title>" in answer.text
    assert 'aria-hidden="true"></div>' in answer.text


def test_the_frame_is_the_one_that_dash_makes():
    frame, dashs = written(shell.framed("", "/jobs")), written(shell.shell())
    assert frame[: frame.index("<nav")] in dashs
    assert frame.count("active") == 1
