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


def point_at(page: Page, key: str, epoch: float) -> None:
    plot = page.locator(f"#chart-{key} .nsewdrag").first
    x = page.evaluate(
        "([key, epoch]) => document.getElementById('chart-' + key)._fullLayout.xaxis.d2p(epoch)", [key, epoch]
    )
    plot.hover(position={"x": x, "y": plot.bounding_box()["height"] / 2})


@pytest.mark.parametrize(("address", "charts"), [("/jobs/{}", 6), ("/jobs/compare?jobs={}", 3)])
def test_no_chart_offers_to_send_itself_elsewhere(page: Page, job, address, charts):
    page.goto(address.format(job))
    wait_for_charts(page, charts)
    expect(page.locator(".modebar-btn[data-title*='Share']")).to_have_count(0)
    places = page.evaluate(
        "Array.from(document.querySelectorAll('.js-plotly-plot'), (chart) => chart._context.plotlyServerURL)"
    )
    assert set(places) == {""}


@pytest.mark.long
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


@pytest.mark.long
def test_a_zoomed_chart_shows_nothing_of_an_epoch_outside_of_it(page: Page, job):
    page.goto(f"/jobs/{job}")
    wait_for_charts(page, 6)
    page.evaluate("Plotly.relayout('chart-macro_f1', { 'xaxis.range': [1, 3] })")
    point_at(page, "loss", 2)
    there = page.locator("#chart-macro_f1 .hoverlayer :is(.legend, .hovertext)")
    expect(there.first).to_be_visible()
    point_at(page, "loss", 9)
    expect(page.locator("#chart-accuracy .hoverlayer :is(.legend, .hovertext)").first).to_contain_text("9")
    expect(there).to_have_count(0)


@pytest.mark.long
def test_the_word_at_the_best_epoch_stands_above_the_plot(page: Page, job):
    page.goto(f"/jobs/{job}")
    for key in ("loss", "accuracy", "macro_f1"):
        word = page.locator(f"#chart-{key} .infolayer text", has_text="best")
        expect(word).to_be_visible()
        box, plot = word.bounding_box(), page.locator(f"#chart-{key} .nsewdrag").first.bounding_box()
        assert box["y"] + box["height"] <= plot["y"] + 2
