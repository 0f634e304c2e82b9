"""Finding one of thousands: jobs by name, state and page, data sets for a new job, jobs to compare; and what home shows of them."""

from __future__ import annotations

import re

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect


@pytest.fixture
def many(platform):
    """120 jobs of two data sets; every tenth failed, one runs."""
    made = [platform.add_dataset(name, fake_data.sample_csv(30)) for name in ("animals.csv", "plants.csv")]
    for i in range(120):
        job = platform.add_job(made[i % 2], {"model": "multimodal", "name": f"try {i:03}"})
        if i == 7:
            platform.start(job)
        elif i % 10 == 0:
            platform.set_state(job, "failed", "exit 137")
    return made


def names(page: Page):
    return page.locator("#jobs-list .row-link")


def test_jobs_are_found_by_name_state_and_page_and_the_address_keeps_it(page: Page, many):
    page.goto("/jobs")
    expect(page.get_by_text("120 jobs")).to_be_visible()
    expect(names(page)).to_have_count(25)
    page.get_by_label("Search by name").fill("try 0")
    expect(page.get_by_text("100 jobs")).to_be_visible()
    page.get_by_role("button", name="2", exact=True).click()
    expect(names(page).first).to_have_text("try 074")
    page.get_by_role("textbox", name="State").click()
    page.get_by_role("option", name="failed").click()
    expect(page.get_by_text("10 jobs")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/jobs\?search=try\+0&state=failed$"))
    names(page).first.click()
    expect(page.get_by_role("heading", name="try 090")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search by name")).to_have_value("try 0")
    expect(page.get_by_text("10 jobs")).to_be_visible()


def test_those_that_ended_last_are_listed_first_and_the_address_keeps_the_order(page: Page, platform, many):
    first, *rest = list(platform.jobs)[:3]
    for job in (*rest, first):
        platform.set_state(job, "failed", "exit 1")
    page.goto("/jobs")
    expect(names(page).first).to_have_text("try 119")
    page.get_by_role("textbox", name="Order").click()
    page.get_by_role("option", name="last ended first").click()
    expect(names(page).first).to_have_text("try 000")
    expect(page).to_have_url(re.compile(r"/jobs\?order=ended$"))
    page.reload()
    expect(names(page).first).to_have_text("try 000")
    page.get_by_label("Search by name").fill("try 007")
    expect(page.get_by_text("No job whose name")).to_contain_text("has ended")


def test_a_list_that_holds_nothing_says_what_was_looked_for(page: Page, many):
    page.goto("/jobs?search=zebra&state=queued,launching,running")
    expect(page.get_by_text("zebra")).to_contain_text("is under way")
    page.goto(f"/jobs?dataset={many[0]}")
    expect(page.get_by_text("60 jobs")).to_be_visible()
    page.get_by_role("link", name="show all jobs").click()
    expect(page.get_by_text("120 jobs")).to_be_visible()


@pytest.mark.long
def test_a_list_that_cannot_be_fetched_comes_back_with_what_was_looked_for(
    page: Page, platform, many, troubles
):
    troubles.expected = ["502"]  # of the stream
    page.goto("/jobs")
    expect(names(page)).to_have_count(25)
    platform.down = True
    page.get_by_label("Search by name").fill("try 11")
    expect(page.get_by_role("alert")).to_contain_text("The platform does not answer")
    expect(page.get_by_role("alert").get_by_role("link", name="Try again")).to_be_visible()
    platform.down = False
    expect(page.get_by_text("10 jobs")).to_be_visible()  # without anybody's doing
    expect(page.get_by_label("Search by name")).to_have_value("try 11")


def test_home_shows_what_runs_however_old_and_what_ended_last(page: Page, platform, many):
    first = next(iter(platform.jobs))
    platform.set_state(first, "failed", "exit 1: the last to end")
    page.goto("/")
    expect(page.locator(".running")).to_have_count(1)
    expect(page.locator(".running")).to_contain_text("try 007")
    ended = page.get_by_role("region", name="Jobs")
    expect(ended.locator(".row-link").first).to_have_text("try 000")
    expect(ended.locator(".row-link")).to_have_count(5)


def test_home_counts_what_it_does_not_show(page: Page, platform, many):
    for job in list(platform.jobs)[100:]:
        platform.set_state(job, "queued")
    page.goto("/")
    expect(page.locator(".running")).to_have_count(6)
    expect(page.get_by_text("1 running, 20 queued")).to_be_visible()
    page.get_by_role("link", name="All of them").click()
    expect(page.get_by_text("21 jobs")).to_be_visible()


def test_a_data_set_for_a_new_job_is_searched(page: Page, platform, many):
    for i in range(60):
        platform.add_dataset(f"later {i}.csv", fake_data.sample_csv(3))
    rejected = platform.add_dataset("bad.csv", fake_data.sample_csv(3))
    platform.datasets[rejected] |= {"state": "rejected", "reason": "Line 7 is longer than 1 MB."}
    page.goto("/jobs/new")
    expect(page.locator("#pick-list li")).to_have_count(25)
    expect(page.get_by_role("link", name="bad.csv")).to_have_attribute("href", f"/datasets/{rejected}")
    page.get_by_label("Search by name").fill("animals")
    expect(page.locator("#pick-list li")).to_have_count(1)
    page.get_by_role("link", name="animals.csv").click()
    expect(page.get_by_role("textbox", name="Column to predict")).to_be_visible()


@pytest.mark.long
def test_any_job_can_be_found_to_compare(page: Page, platform, many):
    page.goto("/jobs/compare")
    field = page.get_by_role("textbox", name="Jobs")
    figures = page.get_by_role("region", name="Figures of the jobs")
    for name in ("try 000", "try 001"):
        field.fill(name)
        page.get_by_role("option", name=name).click()
        expect(figures.get_by_role("link", name=name)).to_be_visible()
