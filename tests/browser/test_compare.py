from __future__ import annotations

import pytest
from browser import fake_data
from browser.waiting import wait_for_focus
from playwright.sync_api import Page, expect

LABELS = ["bird", "cat", "fish"]


@pytest.fixture
def jobs(platform):
    dataset = platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)
    made = []
    for accuracy, name, epochs, dropout in (
        (0.81, "careful", 8, 0.2),
        (0.93, "bold", 12, 0.5),
        (0.88, "slow", 20, 0.5),
    ):
        body = {"model": "multimodal", "name": name, "epochs": epochs, "params": {"dropout": dropout}}
        made.append(platform.add_job(dataset, body))
        platform.start(made[-1])
        platform.succeed(made[-1], epochs, accuracy=accuracy)
    return made


def rows(page: Page) -> list[str]:
    return page.locator("[data-sortable] tbody tr .row-link").all_inner_texts()


def curves(page: Page) -> int:
    return page.evaluate(
        "document.getElementById('compare-loss')?.data?.filter((t) => t.mode === 'lines+markers').length ?? 0"
    )


def test_jobs_are_chosen_by_name_and_the_address_keeps_them(page: Page, jobs):
    page.goto("/jobs")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Nothing to compare yet")).to_be_visible()
    page.get_by_role("textbox", name="Jobs").fill("bol")
    page.get_by_role("option", name="bold").click()
    page.get_by_role("textbox", name="Jobs").fill("careful")
    page.get_by_role("option", name="careful").click()
    page.wait_for_function("() => document.getElementById('compare-loss')?.data?.length === 4")
    assert page.url.endswith(f"/jobs/compare?jobs={jobs[1]},{jobs[0]}")
    page.reload()
    page.wait_for_function("() => document.getElementById('compare-loss')?.data?.length === 4")
    assert rows(page) == ["bold", "careful"]


def test_what_differs_is_listed_and_what_is_the_same_is_not(page: Page, jobs):
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    settings = page.get_by_role("region", name="Settings that differ").locator("tbody tr")
    expect(settings).to_have_count(2)
    expect(settings.nth(0)).to_contain_text("Epochs")
    expect(settings.nth(1)).to_contain_text("Dropout")
    expect(page.locator("[data-sortable] strong").first).to_have_text("93.0\u202f%")


def test_a_press_on_a_heading_sorts_best_first_and_again_turns_round(page: Page, jobs):
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    heading = page.get_by_role("columnheader", name="accuracy")
    heading.click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert rows(page) == ["bold", "slow", "careful"]
    heading.press("Enter")
    assert rows(page) == ["careful", "slow", "bold"]


def test_three_jobs_are_lines_through_settings_and_figures(page: Page, jobs):
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    lines = page.locator("#compare-parallel .parallel-job")
    expect(lines).to_have_count(3)
    labels = page.locator("#compare-parallel .parallel-label").all_text_contents()
    assert labels == ["Epochs", "Dropout", "Accuracy", "Macro F1"]
    for line in lines.all():
        assert line.bounding_box()["width"] > 500
    page.wait_for_function("() => document.getElementById('compare-loss')?.data?.length === 6")
    assert curves(page) == 3
    expect(page.get_by_text("WebGL")).to_have_count(0)


@pytest.mark.long
def test_a_line_is_told_and_seen_alone_by_pointer_or_key(page: Page, jobs):
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    bold = page.get_by_role("img", name="bold: Epochs 12, Dropout 0.5, Accuracy 93.0")
    bold.focus()
    page.keyboard.press("Shift+Tab")  # a focus that came by the keyboard is shown
    careful = page.get_by_role("img", name="careful: Epochs 8")
    wait_for_focus(careful)
    expect(page.locator("#compare-told")).to_contain_text("careful: Epochs 8, Dropout 0.2")
    expect(bold).to_have_css("opacity", "0.15")
    expect(careful).to_have_css("opacity", "1")


def test_a_job_that_is_not_there_is_named_and_the_others_are_compared(page: Page, jobs):
    page.goto(f"/jobs/compare?jobs={jobs[0]},gone")
    expect(page.get_by_text("There is no job 'gone'.")).to_be_visible()
    page.wait_for_function("() => document.getElementById('compare-loss')?.data?.length === 2")
    assert rows(page) == ["careful"]


def test_a_default_that_one_job_was_sent_with_is_no_difference(page: Page, platform, jobs):
    for key in ("validation_split", "seed", "eval_steps"):
        platform.jobs[jobs[0]]["settings"].pop(key, None)
    platform.jobs[jobs[1]]["settings"]["params"]["image_size"] = 64
    platform.jobs[jobs[2]]["settings"]["column_types"] = {"age": "categorical", "legs": "numeric"}
    platform.jobs[jobs[1]]["settings"]["column_types"] = {"age": "numeric", "legs": "numeric"}
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    settings = page.get_by_role("region", name="Settings that differ").locator("tbody tr")
    expect(settings).to_have_text(
        ["Epochs81220", "Dropout0.20.50.5", "Column types–age: numericage: categorical"]
    )


@pytest.mark.long
def test_the_charts_have_a_legend_and_phones_no_hint_at_headings(page: Page, platform, jobs):
    platform.jobs[jobs[0]]["metrics"]["ece"] = 0.06
    page.goto(f"/jobs/compare?jobs={','.join(jobs)}")
    expect(page.locator(".legend .name")).to_have_text(["careful", "bold", "slow"])
    expect(page.get_by_text("The calibration error (ECE) is")).to_be_visible()
    expect(page.get_by_text("Press a heading to sort.")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 900})
    expect(page.get_by_text("Press a heading to sort.")).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_running_job_goes_on_and_its_end_brings_its_figures(page: Page, platform, jobs):
    job = platform.add_job(next(iter(platform.datasets)), {"model": "multimodal", "name": "going on"})
    platform.start(job)
    items = fake_data.training_items(10, LABELS)
    platform.emit(job, *items[:18])  # three epochs
    page.goto(f"/jobs/compare?jobs={job}")
    row = page.locator("[data-sortable] tbody tr")
    expect(row).to_contain_text("epoch 3 so far")
    last = "document.getElementById('compare-loss').data.at(-1).x.at(-1)"
    assert page.evaluate(last) == 3
    platform.emit(job, *items[18:30])
    expect(row).to_contain_text("epoch 5 so far")
    assert page.evaluate(last) == 5
    accuracy = page.locator(f"#compare-accuracy-{job}")
    expect(accuracy).to_have_text("82.7\u202f%")
    platform.succeed(job, accuracy=0.941)
    expect(accuracy).to_have_text("94.1\u202f%")
    expect(row).to_contain_text("succeeded")
    expect(row).not_to_contain_text("so far")
    platform.wait_until_no_stream(job)


def test_few_running_jobs_are_followed_and_none_once_the_page_is_left(page: Page, platform, jobs):
    running = [platform.add_job(next(iter(platform.datasets))) for _ in range(5)]
    for job in running:
        platform.start(job)
    page.goto(f"/jobs/compare?jobs={','.join(running)}")
    for job in running[:3]:
        platform.wait_until_stream(job)
    assert [platform.open_streams[job] for job in running] == [1, 1, 1, 0, 0]
    page.get_by_role("link", name="Data sets", exact=True).click()
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()
    for job in running:
        platform.wait_until_no_stream(job)
