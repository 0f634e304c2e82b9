"""What holds on every page: both colour schemes, narrow screens, keyboard, an API that is away."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.one_origin import furnish
from browser.waiting import wait_for_focus
from playwright.sync_api import Page, expect

PAGES = ("/", "/datasets", "/datasets/{animals}", "/datasets/{uploading}", "/jobs", "/jobs/new", "/jobs/new?dataset={animals}",
         "/jobs/new?from={done}", "/jobs/new?dataset={animals}#model", "/jobs/new?dataset={animals}#training", "/jobs/new?dataset={animals}#review", "/jobs/compare", "/jobs/compare?jobs={done},{running}", "/jobs/{done}", "/jobs/{failed}", "/jobs/{running}",
         "/jobs/{done}/try", "/jobs/{done}/try?prediction={predicted}", "/account", "/sign-in?next=/jobs")  # fmt: skip


@pytest.fixture
def made(platform):
    ids = furnish(platform)
    platform.broken_image = ""
    return ids


# Of what a page has to press or to fill in, that which a screen reader could not name
NAMELESS = """() => Array.from(document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href]'))
    .filter(e => e.offsetParent !== null)
    .filter(e => !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby')
                 && !e.textContent.trim() && !e.title && !e.closest('.modebar') && !e.closest('[aria-hidden=true]'))
    .map(e => e.outerHTML.slice(0, 200))"""


# Odd data are shown the other way round in test_strange_data.py; a minute each
@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), pytest.param("dark", 390, marks=pytest.mark.long)]
)
def test_every_page_has_one_heading_fits_names_its_controls_and_axe_finds_nothing_serious(
    page: Page, made, scheme, width
):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    serious, wider, nameless = [], [], []
    for path in PAGES:
        page.goto(path.format(**made))
        assert page.locator("h1").count() == 1
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wider.append(path)
        page.wait_for_load_state("networkidle") if "{running}" not in path else None
        nameless += page.evaluate(NAMELESS)
        found = Axe().run(page)
        for violation in found.response["violations"]:
            if violation["impact"] in {"serious", "critical"}:
                places = [
                    (node["html"][:160], node["failureSummary"][:240]) for node in violation["nodes"][:3]
                ]
                serious.append((path, violation["id"], len(violation["nodes"]), places))
    assert (serious, wider, nameless) == ([], [], [])


def test_the_colour_scheme_is_switched_and_remembered(page: Page, made):
    page.goto("/")
    root = page.locator("html")
    expect(root).to_have_attribute("data-mantine-color-scheme", "light")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")


@pytest.mark.long
def test_curves_follow_the_colour_scheme_and_keep_their_points(page: Page, made):
    page.goto(f"/jobs/{made['running']}")
    page.wait_for_function("document.getElementById('chart-loss')?.data?.[0].x.length === 21")
    before = page.evaluate("document.getElementById('chart-loss').data[1].line.color")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.wait_for_function(
        "colour => document.getElementById('chart-loss').data[1].line.color !== colour", arg=before
    )
    assert page.evaluate("document.getElementById('chart-loss').data[0].x.length") == 21


def test_the_keyboard_reaches_the_content_first(page: Page, made):
    page.goto("/")
    page.keyboard.press("Tab")
    wait_for_focus(page.get_by_role("link", name="Skip to content"))
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    wait_for_focus(page.get_by_role("link", name="Upload data"))


def test_an_api_that_is_away_is_told_and_tried_again(page: Page, platform, made):
    platform.down = True
    page.goto("/datasets")
    expect(page.get_by_role("alert")).to_contain_text("The platform does not answer")
    platform.down = False
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="All data sets")).to_be_visible()


@pytest.fixture
def asked_in_vain(page: Page, made, troubles):
    """A page from which another was asked for while the UI's server was away; it is back."""
    troubles.expected = ["ERR_", "Failed to fetch", "Callback"]
    page.goto("/")
    page.route("**/_dash-update-component*", lambda route: route.abort())
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Triptych does not answer")
    page.unroute("**/_dash-update-component*")
    return page


def test_a_ui_server_that_is_away_is_told(asked_in_vain: Page, platform, made):
    page = asked_in_vain
    # another answer does not bring the page that was asked for
    platform.start(platform.add_job(made["animals"], {"model": "multimodal", "name": "made elsewhere"}))
    expect(page.get_by_role("link", name="made elsewhere").first).to_be_visible()
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


def test_a_ui_server_that_is_back_is_told_by_the_next_page(asked_in_vain: Page):
    page = asked_in_vain
    page.get_by_role("link", name="Data sets", exact=True).click()
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_plotly_is_loaded_once_and_only_where_there_is_a_chart(page: Page, made):
    loaded = []
    page.on("request", lambda request: loaded.append(request.url) if "plotly" in request.url else None)
    page.goto("/")
    assert loaded == []
    page.get_by_role("link", name="بيانات").first.click()
    page.locator("#chart-loss .main-svg").first.wait_for()
    assert len(loaded) == 1
