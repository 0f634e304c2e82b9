"""Takes the pictures of README and docs anew, from a running platform on which the demo was run: `make demo`, `make up`, `make pictures`.

PYTHONPATH=.:tests python -m browser.doc_pictures [--url http://localhost:8080]
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.stage import chromium
from cli.demo import NAME
from client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH = 1280
COLOURS = 256  # of a picture's palette: pages have few, and files stay small
DRAWN_MS = 2500  # charts are drawn one after another


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://localhost:8080", help="of the platform (%(default)s)")
    options = parser.parse_args()
    with Client(options.url) as client:
        datasets = client.datasets(search=NAME)["items"]
        jobs = client.jobs(search="demo", state="succeeded")["items"]
    if not datasets or not jobs:
        raise SystemExit(f"{options.url} has no data set and job of the demo; run `make demo` first.")
    dataset, job = datasets[0]["id"], jobs[0]["id"]
    with chromium() as browser:

        def take(
            file: str,
            path: str,
            height: int,
            act: Callable[[Page], None] | None = None,
            scheme: str = "light",
        ) -> None:
            _take(browser, options.url, path, height, act, scheme).save(IMAGES / file, optimize=True)
            print(file, flush=True)  # noqa: T201 - for a person

        take("upload.png", "/datasets", 650)
        take("dataset.png", f"/datasets/{dataset}", 1400)
        take("new-job.png", f"/jobs/new?dataset={dataset}#review", 770)
        take("job.png", f"/jobs/{job}", 1180)
        take("tutorial-try.png", f"/jobs/{job}/try", 980, _predict)
        take("try.png", f"/jobs/{job}/try", 1150, _predict, "dark")


def _predict(page: Page) -> None:
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#try-answer").wait_for()


def _take(
    browser: Browser, origin: str, path: str, height: int, act: Callable[[Page], None] | None, scheme: str
) -> Image.Image:
    with browser.new_context(
        base_url=origin,
        viewport={"width": WIDTH, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    ) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(path)
        page.locator("#page h1").wait_for()
        if act:
            act(page)
        page.mouse.move(0, 0)
        page.wait_for_timeout(DRAWN_MS)
        shown = Image.open(io.BytesIO(page.screenshot()))
        return shown.convert("RGB").quantize(COLOURS)


if __name__ == "__main__":
    main()
