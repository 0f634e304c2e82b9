"""The form of a new job: kept while its tab is open, given up when the job is started or on demand."""

from __future__ import annotations

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)


def fill(page: Page, dataset: str) -> None:
    """Change something in every step."""
    page.goto(f"/jobs/new?dataset={dataset}")
    page.get_by_role("checkbox", name="colour").uncheck()
    page.get_by_role("textbox", name="Type of age").click()
    page.get_by_role("option", name="categorical").click()
    page.get_by_role("link", name="Next: Model").click()
    page.get_by_role("radio", name="Class frequencies").click()
    page.get_by_label("Seconds per epoch").fill("2")
    page.get_by_role("link", name="Next: Training").click()
    page.get_by_label("Epochs").fill("abc")
    page.get_by_label("Learning rate").fill("1e-4")
    # Dash notes a field's value a moment after it was typed
    page.wait_for_function("() => Object.values(sessionStorage).some(kept => kept.includes('1e-4'))")


def expect_filled(page: Page) -> None:
    expect(page.get_by_label("Epochs")).to_have_value("abc")
    expect(page.get_by_label("Learning rate")).to_have_value("1e-4")
    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_role("radio", name="Class frequencies")).to_be_checked()
    expect(page.get_by_label("Seconds per epoch")).to_have_value("2")
    page.get_by_role("link", name="Columns", exact=True).click()
    expect(page.get_by_role("checkbox", name="colour")).not_to_be_checked()
    expect(page.get_by_role("textbox", name="Type of age")).to_have_value("categorical")


def expect_untouched(page: Page) -> None:
    expect(page.get_by_role("checkbox", name="colour")).to_be_checked()
    page.get_by_role("link", name="Training", exact=True).click()
    expect(page.get_by_label("Epochs")).to_have_value("")


def test_a_reload_keeps_the_form(page: Page, dataset):
    fill(page, dataset)
    page.reload()
    expect_filled(page)


@pytest.mark.long
def test_leaving_and_coming_back_keeps_the_form(page: Page, platform, dataset):
    other = platform.add_dataset("plants.csv", fake_data.sample_csv())
    fill(page, dataset)
    page.get_by_role("link", name="Data sets").click()
    expect(page.get_by_role("heading", name="All data sets")).to_be_visible()
    page.go_back()
    expect_filled(page)
    page.goto(f"/jobs/new?dataset={other}")
    expect_untouched(page)


@pytest.mark.parametrize("step", ["columns", pytest.param("training", marks=pytest.mark.long)])
@pytest.mark.long
def test_begin_anew_gives_up_what_was_set(page: Page, dataset, step):
    fill(page, dataset)
    page.goto(f"/jobs/new?dataset={dataset}#{step}")
    page.get_by_role("button", name="Begin anew").click()
    expect(page.get_by_role("checkbox", name="colour")).to_be_checked()
    expect_untouched(page)


def test_a_started_job_leaves_an_empty_form(page: Page, dataset):
    fill(page, dataset)
    page.get_by_label("Epochs").fill("3")
    page.get_by_role("link", name="Next: Review").click()
    page.get_by_label("Name (optional)").fill("the first one")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/job*")
    page.goto(f"/jobs/new?dataset={dataset}")
    expect_untouched(page)
    page.get_by_role("link", name="Review and start", exact=True).click()
    expect(page.get_by_label("Name (optional)")).to_have_value("")
