"""Lists and data sets show what others change, as it happens, and leave alone who reads them."""

from __future__ import annotations

import pytest
from browser.waiting import wait_for_focus
from playwright.sync_api import Page, expect

TABLE = "text,label\n" + "".join(f"row {n},{'cat' if n % 2 else 'dog'}\n" for n in range(40))


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", TABLE)


@pytest.mark.parametrize("path", ["/", "/jobs"])
def test_a_job_that_others_make_appears(page: Page, platform, dataset, path):
    page.goto(path)
    expect(
        page.get_by_role("heading", name="Train your first model" if path == "/" else "No jobs yet")
    ).to_be_visible()
    platform.start(platform.add_job(dataset, {"model": "multimodal", "name": "made elsewhere"}))
    expect(page.get_by_role("link", name="made elsewhere")).to_be_visible()


def test_a_data_set_that_others_upload_appears(page: Page, platform):
    page.goto("/datasets")
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    made = platform.add_dataset("animals.csv", TABLE)
    expect(page.get_by_role("link", name="animals.csv")).to_be_visible()
    platform.datasets[made]["state"] = "rejected"
    expect(page.get_by_role("table").get_by_text("rejected")).to_be_visible()


def test_who_reads_a_list_by_keyboard_stays_where_they_are(page: Page, platform, dataset):
    jobs = [platform.add_job(dataset, {"model": "multimodal", "name": f"job {n}"}) for n in range(3)]
    page.goto("/jobs")
    link = page.get_by_role("link", name="job 1")
    link.focus()
    platform.set_state(jobs[0], "queued")
    expect(page.get_by_role("table").get_by_text("queued")).to_be_visible()
    wait_for_focus(link)
    platform.add_job(dataset, {"model": "multimodal", "name": "job 3"})
    expect(page.get_by_role("link", name="job 3")).to_be_visible()
    wait_for_focus(link)


def test_how_far_a_job_is_stays_told_when_the_list_is_shown_anew(page: Page, platform, dataset):
    running = platform.add_job(dataset, {"model": "multimodal"})
    platform.start(running)
    platform.beat(running, "training", 0.5, 60)
    page.goto("/")
    expect(page.get_by_text("training 50 %")).to_be_visible()
    platform.start(platform.add_job(dataset, {"model": "multimodal", "name": "made elsewhere"}))
    expect(page.get_by_role("link", name="made elsewhere")).to_be_visible()
    expect(page.get_by_text("training 50 %")).to_be_visible()


@pytest.mark.long  # it waits for the next look, 5 s
def test_without_the_stream_it_is_looked_for_now_and_then(page: Page, platform, dataset, troubles):
    troubles.expected = ["502"]
    platform.metrics_down = True
    page.goto("/jobs")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    platform.add_job(dataset, {"model": "multimodal", "name": "made elsewhere"})
    expect(page.get_by_role("link", name="made elsewhere")).to_be_visible()
