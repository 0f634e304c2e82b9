"""What is on the screen before Dash has started, and how Dash's page takes its place."""

from __future__ import annotations

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect


@pytest.fixture
def running(platform):
    job = platform.add_job(platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120))
    platform.start(job)
    platform.emit(job, *fake_data.training_items(10, ["bird", "cat", "fish"])[:30])
    return job


@pytest.fixture
def held(page: Page):
    """Requests with which Dash begins; they wait until a test lets them go on."""
    routes = []
    page.route("**/_dash-layout", lambda route: routes.append(route))  # noqa: PLW0108 - a bound builtin takes no mark of Playwright
    return routes


def test_curves_are_drawn_before_dash_has_started_and_go_over_into_its_page(
    page: Page, platform, running, held
):
    page.goto(f"/jobs/{running}", wait_until="load")
    expect(page.locator("#early h1")).to_have_text("animals.csv · multimodal")
    page.wait_for_function("document.querySelector('#early #chart-loss')?.data?.[0].x.length === 15")
    page.wait_for_function("document.querySelectorAll('#early .js-plotly-plot').length === 5")
    page.evaluate("document.getElementById('chart-loss').drawnEarly = true")
    latest = page.locator("#early #chart-loss-now").inner_text()
    assert latest.startswith("latest ")
    held[0].continue_()
    page.locator("#page h1").wait_for()
    expect(page.locator("#early")).to_have_count(0)
    expect(page.locator("#chart-loss-now")).to_have_text(latest)
    assert page.evaluate("document.querySelector('#page #chart-loss').drawnEarly")
    page.locator("#live-connection[data-state=live]").wait_for()
    expect(page.locator("#live-system")).to_contain_text("CPU 150 %")
    platform.emit(running, *fake_data.training_items(10, ["bird", "cat", "fish"])[30:])
    page.wait_for_function("document.getElementById('chart-loss').data[0].x.length === 30")


def test_nothing_can_be_used_before_dash_has_started(page: Page, held):
    page.goto("/datasets", wait_until="load")
    expect(page.locator("#early h1")).to_be_visible()
    assert page.get_by_role("link").count() == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body")
    held[0].continue_()
    expect(page.get_by_role("link", name="Jobs", exact=True)).to_be_visible()


@pytest.mark.long
def test_another_page_of_the_same_visit_draws_its_own_curves(page: Page, platform, running):
    other = platform.add_job(next(iter(platform.datasets)), {"model": "multimodal", "name": "other"})
    platform.start(other)
    platform.emit(other, *fake_data.training_items(10, ["bird", "cat", "fish"])[:12])
    page.goto(f"/jobs/{running}")
    page.get_by_role("link", name="Home", exact=True).click()
    page.get_by_role("link", name="other").click()
    expect(page.get_by_role("heading", name="other", level=1)).to_be_visible()
    page.wait_for_function("document.getElementById('chart-loss')?.data?.[0].x.length === 6")
