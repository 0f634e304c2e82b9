"""One full run in the browser against the real platform: from files on disk to the model's download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from support.platform import Platform, shapes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
ENDS_WITHIN = 180_000  # ms


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.start()
    yield platform
    platform.stop()


@pytest.fixture
def origin(platform: Platform) -> str:
    return platform.url


def write(folder: Path) -> Path:
    table, images = shapes(rows=300)
    (folder / "pictures").mkdir(parents=True)
    (folder / "shapes.csv").write_bytes(table)
    for path, raw in images.items():
        (folder / path).write_bytes(raw)
    return folder


# One test, for starting the platform takes half a minute
def test_from_a_refused_file_and_a_folder_to_a_model(page: Page, platform: Platform, tmp_path, troubles):
    troubles.expected = ["422"]
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(tmp_path / "picture.csv")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("'picture.csv' cannot be read as a table")

    page.goto("/datasets")
    page.get_by_label("Choose a folder").set_input_files(write(tmp_path / "shapes"))
    expect(page.get_by_text("300 images")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="shapes", exact=True)).to_be_visible()
    expect(page.get_by_text("300 rows with an image")).to_be_visible()

    page.get_by_role("link", name="Train", exact=True).click()
    expect(page.get_by_role("heading", name="New job")).to_be_visible()
    steps = page.get_by_role("navigation", name="Steps")
    steps.get_by_role("link", name="Training").click()
    page.get_by_label("Epochs").fill("6")
    steps.get_by_role("link", name="Review").click()
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    page.get_by_role("button", name="Start training").click()

    expect(page.locator("#live-connection")).to_have_attribute("data-state", "ended", timeout=ENDS_WITHIN)
    expect(page.locator("#job-state")).to_contain_text("succeeded")
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    points = page.locator("#chart-loss").evaluate("plot => plot.data.map(line => line.x.length)")
    assert min(points) == 6, "a validation point for each epoch"
    with page.expect_download() as download:
        page.get_by_role("link", name="model.pt").click()
    job = platform.get("/api/training_jobs/")["items"][0]
    announced = next(
        item for item in platform.get("/api/artifacts/", job=job["id"])["items"] if item["name"] == "model.pt"
    )
    assert download.value.path().stat().st_size == announced["size"]
