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
