"""The review of a new job: checked by itself, with an estimate of time and money, and in words where something is wrong."""

from __future__ import annotations

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)


def former(platform, dataset: str, minutes: int) -> None:
    job = platform.add_job(dataset)
    platform.start(job)
    platform.succeed(job)
    platform.jobs[job] |= {
        "started_at": "2026-11-26T10:00:00Z",
        "finished_at": f"2026-11-26T10:{minutes:02}:00Z",
    }


def open_review(page: Page, dataset: str) -> None:
    page.goto(f"/jobs/new?dataset={dataset}#review")
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()


def test_a_link_to_the_review_checks_the_data(page: Page, dataset):
    open_review(page, dataset)
    expect(
        page.get_by_text("a local process on the platform's own machine: up to 2 CPUs, 4 GB")
    ).to_be_visible()
    expect(page.get_by_text("Checking the data…")).to_be_hidden()


@pytest.mark.long
def test_on_fargate_an_hour_and_the_most_are_told_where_no_time_is_known(page: Page, platform, dataset):
    platform.price = 0.09874
    open_review(page, dataset)
    told = "$0.0987 an hour; how long it will take is not known, at most $2.37, since it is stopped after 1 d"
    expect(page.get_by_text(told)).to_be_visible()


@pytest.mark.long
def test_on_fargate_the_cost_is_of_as_long_as_former_jobs_took(page: Page, platform, dataset):
    platform.price = 0.6
    former(platform, dataset, 10)
    former(platform, dataset, 30)
    open_review(page, dataset)
    expect(page.get_by_text("about 10 min to 30 min, as the 2 before did")).to_be_visible()
    expect(page.get_by_text("about $0.10 to $0.30 at $0.6000 an hour")).to_be_visible()


def test_what_is_too_large_for_fargate_is_told_before_it_is_started(page: Page, platform, dataset):
    platform.price = 0.6
    page.goto(f"/jobs/new?dataset={dataset}#training")
    page.get_by_text("Machine", exact=True).click()
    page.get_by_label("CPUs").fill("32")
    page.get_by_role("link", name="Next: Review").click()
    expect(page.get_by_text("32 vCPU with 4096 MB is more than Fargate has")).to_be_visible()


def test_a_check_that_fails_does_not_speak_of_a_start(page: Page, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#training")
    page.get_by_label("Epochs").fill("0")
    page.get_by_role("link", name="Next: Review").click()
    expect(page.get_by_role("alert")).to_contain_text("Some settings cannot be used yet")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_contain_text("The job was not started")


def test_an_api_that_goes_away_in_the_middle_of_a_form_loses_nothing(page: Page, platform, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#training")
    page.get_by_label("Epochs").fill("7")
    platform.down = True
    page.get_by_role("link", name="Next: Review").click()
    expect(page.get_by_role("alert")).to_contain_text("The platform does not answer")
    # until it was answered, for the checks' alert says the same
    with page.expect_response(lambda answer: "job-start.n_clicks" in (answer.request.post_data or "")):
        page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is lost")
    platform.down = False
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("Epochs: 7")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/job*")
    assert [job["settings"]["epochs"] for job in platform.jobs.values()] == [7]


@pytest.mark.long
def test_curves_that_cannot_be_fetched_are_told_where_they_would_be(page: Page, platform, dataset, troubles):
    troubles.expected = ["502", "ERR_"]
    job = platform.add_job(dataset)
    platform.start(job)
    platform.succeed(job)
    platform.metrics_down = True
    page.goto(f"/jobs/{job}")
    expect(page.locator("#live-no-curves")).to_contain_text("This page keeps trying")
    expect(page.locator("#live-no-curves")).to_be_visible()
    expect(page.get_by_text("57.7 points above")).to_be_visible()
    expect(page.locator("#live-matrix-note")).to_contain_text(
        "as in the report"
    )  # which does not need the stream
    platform.metrics_down = False
    page.wait_for_function("document.getElementById('chart-loss').data?.[0].x.length > 0")


def test_a_list_says_that_progress_cannot_be_fetched_and_shows_it_as_soon_as_it_can(
    page: Page, platform, dataset, troubles
):
    troubles.expected = ["502", "ERR_"]
    job = platform.add_job(dataset)
    platform.start(job)
    platform.metrics_down = True
    page.goto("/")
    note = page.locator(".follow-text")
    expect(note).to_have_text("Its progress cannot be fetched now; trying again…")
    platform.metrics_down = False
    expect(note).to_have_text("Waiting for its first sign of life…")
    platform.beat(job, "training", 0.5)
    expect(note).to_contain_text("training 50 %")
