"""Names of 300 characters, right-to-left text, tables without rows: nothing breaks, all is readable."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import strange_data
from browser.strange_data import LONG
from playwright.sync_api import Page, expect

PAGES = ("/", "/datasets", "/datasets/{data}", "/datasets/{empty}", "/jobs", f"/jobs?search={LONG}", "/jobs?state=running", "/jobs?dataset={data}",
         "/jobs/new", "/jobs/new?dataset={data}", "/jobs/new?dataset={data}#review", "/jobs/{done}", "/jobs/{failed}", "/jobs/compare?jobs={done},{failed}",
         "/jobs/no-such-job", "/no-such-page")  # fmt: skip
HEIGHT = "element => element.getBoundingClientRect().height"


@pytest.fixture
def made(platform):
    return strange_data.furnish(platform)


# A minute each; test_everywhere.py has the other one of the usual data
@pytest.mark.long
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_fits_has_one_heading_and_nothing_serious(page: Page, made, scheme, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    wrong = []
    for path in PAGES:
        page.goto(path.format(**made))
        page.wait_for_load_state("networkidle")
        if page.locator("h1").count() != 1:
            wrong.append((path, "headings"))
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append((path, "wider than the screen"))
        wrong += [
            (path, violation["id"], violation["nodes"][0]["html"][:160])
            for violation in Axe().run(page).response["violations"]
            if violation["impact"] in {"serious", "critical"}
        ]
    assert wrong == []


@pytest.mark.long
def test_a_long_name_takes_some_lines_and_is_told_in_full(page: Page, made):
    page.goto(f"/jobs/{made['done']}")
    label = page.get_by_role("region", name="Figures by class").get_by_title(LONG)
    expect(label).to_be_visible()
    assert label.evaluate(HEIGHT) < 80
    page.goto(f"/jobs/new?dataset={made['data']}")
    assert page.locator(".feature").get_by_title(LONG).evaluate(HEIGHT) < 80


def test_a_name_keeps_its_direction_inside_other_words(page: Page, made):
    page.goto(f"/datasets/{made['data']}")
    expect(page.get_by_role("textbox", name="Column to predict")).to_have_value(
        "\u2068عمود النص הטקסט\u2069 – 2 classes, 90\u202f% sure"
    )


def test_a_table_without_rows_says_what_to_do(page: Page, made):
    page.goto(f"/datasets/{made['empty']}")
    expect(page.get_by_text("Upload a table with rows below it.")).to_be_visible()


@pytest.mark.long
def test_a_job_that_ended_early_waits_for_no_points(page: Page, made):
    page.goto(f"/jobs/{made['failed']}")
    page.locator("#live-connection[data-state=ended]").wait_for()
    expect(page.get_by_text("It ended before a first point came")).to_be_visible()
    expect(page.locator("#chart-loss")).to_be_hidden()
