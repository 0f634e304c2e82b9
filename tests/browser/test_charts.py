"""What all charts have in common: their few buttons, and that none sends anything away."""

from __future__ import annotations

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect

LABELS = ["bird", "cat", "fish"]


@pytest.fixture
def job(platform):
    dataset = platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)
    job = platform.add_job(dataset)
    platform.start(job)
    platform.emit(job, *fake_data.training_items(10, LABELS))
    return job


def wait_for_charts(page: Page, count: int) -> None:
    page.wait_for_function("(n) => document.querySelectorAll('.js-plotly-plot').length >= n", arg=count)


@pytest.mark.parametrize(("address", "charts"), [("/jobs/{}", 6), ("/jobs/compare?jobs={}", 3)])
def test_no_chart_offers_to_send_itself_elsewhere(page: Page, job, address, charts):
    page.goto(address.format(job))
    wait_for_charts(page, charts)
    expect(page.locator(".modebar-btn[data-title*='Share']")).to_have_count(0)
    places = page.evaluate(
        "Array.from(document.querySelectorAll('.js-plotly-plot'), (chart) => chart._context.plotlyServerURL)"
    )
    assert set(places) == {""}


def test_the_bar_has_three_buttons_that_are_seen_in_either_scheme_and_cover_nothing(page: Page, job):
    page.emulate_media(color_scheme="light")
    page.goto(f"/jobs/{job}")
    wait_for_charts(page, 6)
    page.locator("#chart-accuracy").hover()
    buttons = page.locator("#chart-accuracy .modebar-btn")
    assert [button.get_attribute("data-title") for button in buttons.all()] == [
        "Zoom in", "Zoom out", "Reset axes",
    ]  # fmt: skip
    for scheme in ("light", "dark"):
        page.evaluate("(s) => document.documentElement.setAttribute('data-mantine-color-scheme', s)", scheme)
        page.wait_for_function(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const wanted = document.createElement("i");
              wanted.style.color = style.getPropertyValue("--chart-text");
              document.body.append(wanted);
              const told = getComputedStyle(wanted).color;
              wanted.remove();
              return getComputedStyle(document.querySelector("#chart-accuracy .modebar-btn path")).fill === told;
            }"""
        )
        assert page.locator("#chart-accuracy .modebar-btn svg").first.evaluate(
            "(icon) => getComputedStyle(icon).backgroundColor"
        ) == "rgba(0, 0, 0, 0)"  # fmt: skip
    for key in ("loss", "accuracy", "machine"):
        bar = page.locator(f"#chart-{key} .modebar-group").bounding_box()
        legend = page.locator(f"#chart-{key} .infolayer .legend").bounding_box()
        assert legend["x"] + legend["width"] <= bar["x"]
        assert bar["y"] >= page.locator(f"#chart-{key}").bounding_box()["y"]
