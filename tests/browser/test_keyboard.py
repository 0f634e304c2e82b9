"""Flows by keyboard alone, and where the focus is after each move."""

from __future__ import annotations

import pytest
from browser import fake_data
from browser.waiting import wait_for_focus
from playwright.sync_api import Page, Route, expect

from support.wait import until


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)


@pytest.mark.long
def test_a_new_page_is_read_from_its_heading(page: Page, dataset):
    page.goto("/")
    page.get_by_role("link", name="Jobs", exact=True).press("Enter")
    wait_for_focus(page.get_by_role("heading", name="Jobs", exact=True))
    page.get_by_role("link", name="New job").first.press("Enter")
    wait_for_focus(page.get_by_role("heading", name="New job"))
    page.get_by_role("link", name="animals.csv").press("Enter")
    expect(page.get_by_role("textbox", name="Column to predict")).to_be_visible()


def test_a_link_pressed_before_the_first_page_came_moves_the_focus_too(page: Page, dataset):
    held: list[Route] | None = []
    page.route(
        "**/_dash-update-component",
        lambda route: route.continue_() if held is None else held.append(route),
    )
    page.goto("/", wait_until="load")
    page.get_by_role("link", name="Jobs", exact=True).press("Enter")
    page.wait_for_url("**/jobs")
    first, held = held, None
    for route in first:
        route.continue_()
    wait_for_focus(page.get_by_role("heading", name="Jobs", exact=True))


def test_a_job_is_made_by_keyboard(page: Page, platform, dataset):
    page.goto(f"/jobs/new?dataset={dataset}")
    page.get_by_label("picture", exact=True).press("Space")
    expect(page.get_by_text("5 of 6 columns")).to_be_visible()
    kind = page.get_by_role("textbox", name="Type of age")
    kind.press("Enter")
    page.get_by_role("option", name="categorical").wait_for()
    kind.press("ArrowUp")  # from the first one, whether it is marked yet or not
    kind.press("Enter")
    expect(kind).to_have_value("constant")
    page.get_by_role("link", name="Next: Model").press("Enter")
    wait_for_focus(page.locator("#step-model"))
    page.get_by_role("radio", name="Class frequencies").press("Space")
    page.get_by_role("link", name="Next: Training").press("Enter")
    wait_for_focus(page.locator("#step-training"))
    page.keyboard.press("Tab")
    wait_for_focus(page.get_by_label("Epochs"))
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("3")
    page.get_by_role("link", name="Next: Review").press("Enter")
    # and on to what the checks found, as soon as that is known
    places = "['step-review', 'job-errors'].includes(document.activeElement.id)"
    until(lambda: page.evaluate(places), "the focus on the review")
    expect(page.get_by_text("Epochs: 3")).to_be_visible()
    page.get_by_role("button", name="Start training").press("Enter")
    page.wait_for_url("**/jobs/job*")
    (job,) = platform.jobs.values()
    assert (job["model"], job["settings"]["epochs"]) == ("dummy_model", 3)
    assert "picture" not in job["settings"]["feature_columns"]
    assert job["settings"]["column_types"] == {"age": "constant"}


def test_the_skip_link_leaves_the_step_as_it_is(page: Page, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#training")
    expect(page.get_by_label("Epochs")).to_be_visible()
    page.get_by_role("link", name="Skip to content").press("Enter")
    expect(page).to_have_url(f"/jobs/new?dataset={dataset}#page")
    expect(page.get_by_label("Epochs")).to_be_visible()


@pytest.mark.long
def test_a_type_is_changed_and_the_focus_stays(page: Page, platform, dataset):
    page.goto(f"/datasets/{dataset}")
    kind = page.get_by_role("textbox", name="Type of age")
    kind.press("Enter")
    page.get_by_role("option", name="categorical").wait_for()
    kind.press("ArrowUp")  # from the first one, whether it is marked yet or not
    kind.press("Enter")
    expect(kind).to_have_value("constant")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    wait_for_focus(kind)
    until(lambda: "age" in platform.overrides.get(dataset, {}), "the new type to be kept")
    assert platform.overrides[dataset]["age"]["type"] == "constant"


def test_a_job_is_cancelled_only_when_that_is_meant(page: Page, platform, dataset):
    job = platform.add_job(dataset)
    platform.start(job)
    page.goto(f"/jobs/{job}")
    cancel, keep = page.get_by_role("button", name="Cancel job"), page.get_by_role("button", name="Keep it")
    for leave in ("Enter", "Escape"):
        cancel.press("Enter")
        wait_for_focus(keep)
        page.keyboard.press(leave)
        wait_for_focus(cancel)
        expect(keep).to_be_hidden()
    assert platform.jobs[job]["state"] == "running"
    cancel.press("Enter")
    wait_for_focus(keep)
    page.keyboard.press("Tab")
    wait_for_focus(page.get_by_role("button", name="Yes, cancel"))
    page.keyboard.press("Enter")
    expect(page.locator("#job-state").get_by_text("cancelled by a person")).to_be_visible()
    wait_for_focus(page.locator("#job-state"))


@pytest.mark.long
def test_mistakes_and_checksums_are_reached_by_keyboard(page: Page, platform, dataset):
    job = platform.add_job(dataset)
    platform.start(job)
    platform.succeed(job)
    page.goto(f"/jobs/{job}")
    page.get_by_label("Show").press("ArrowDown")
    expect(
        page.get_by_role("region", name="Most confident mistakes").locator("tbody tr:visible")
    ).to_have_count(3)
    copy = page.get_by_role("button", name="Copy the checksum of model.pt")
    copy.press("Enter")
    expect(copy).not_to_have_text("copy")


@pytest.mark.long
def test_jobs_to_compare_are_chosen_and_sorted_by_keyboard(page: Page, platform, dataset):
    for accuracy in (0.7, 0.9):
        job = platform.add_job(dataset, {"model": "multimodal", "name": f"at {accuracy}"})
        platform.start(job)
        platform.succeed(job, accuracy=accuracy)
    page.goto("/jobs/compare")
    field = page.get_by_role("textbox", name="Jobs")
    field.focus()
    for name in ("at 0.7", "at 0.9"):
        page.keyboard.type(name)
        page.get_by_role("option", name=name).wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(
            page.get_by_role("region", name="Figures of the jobs").get_by_role("link", name=name)
        ).to_be_visible()
    head = page.get_by_role("region", name="Figures of the jobs").locator("th", has_text="Accuracy")
    head.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
