"""How soon a page shows what others change: from the request that makes a job to its name in the list of another browser.

    python -m benchmarks.changes [--rounds 40] [--pages 1 10]

A real platform (benchmarks/stage.py); each page is a browser context of its own in one headless Chromium that shows /jobs. A job is made by
POST, not started, once a second. Measured for every job and page, by one clock (the machine's): from just before the request is sent to the
first frame after the job's name stands in the list. A page that does not show a job after 30 s ends the run. No network lies between, and one
machine serves and draws for all.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import stage
from benchmarks.live import WINDOW

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Browser, Page

WATCH = """
window.__shown = {};
new MutationObserver(() => {
  for (const [name] of (document.getElementById("jobs-list")?.textContent || "").matchAll(/made [0-9]+;/g)) {
    if (!window.__shown[name]) {
      window.__shown[name] = 1;
      requestAnimationFrame(() => { window.__shown[name] = performance.timeOrigin + performance.now(); });
    }
  }
}).observe(document, { childList: true, subtree: true, characterData: true });
"""
PAUSE_SECONDS = 1.0
SHOWN_WITHIN_MS = 30_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40, help="jobs made (%(default)s)")
    parser.add_argument("--pages", type=int, nargs="+", default=[1, 10], help="how many pages are open")
    options = parser.parse_args()
    with stage.scene() as (_, client, browser):
        dataset = stage.upload(client)
        print(f"{options.rounds} jobs, one a second; {stage.load()}; milliseconds, p50 / p99 / most")
        for pages in options.pages:
            took = measure(client, browser, dataset, pages, options.rounds)
            print(
                f"  {pages:3} pages: {stage.percentile(took, 0.5):.0f} / {stage.percentile(took, 0.99):.0f} / {max(took):.0f}; {stage.load()}",
                flush=True,
            )


def measure(client: httpx.Client, browser: Browser, dataset: str, pages: int, rounds: int) -> list[float]:
    """Make jobs and give how long each took to each page, in milliseconds."""
    with ExitStack() as stack:
        opened = []
        for _ in range(pages):
            viewer = stack.enter_context(
                browser.new_context(base_url=str(client.base_url), viewport=WINDOW, bypass_csp=True)
            )
            viewer.add_init_script(WATCH)
            opened.append(viewer.new_page())
            opened[-1].goto("/jobs")
            opened[-1].wait_for_selector("#jobs-list")
            opened[-1].wait_for_timeout(1000 * PAUSE_SECONDS)  # its stream opens
        made = {}
        for number in range(rounds):
            name = f"made {pages}{number:04};"
            wish = {"dataset_id": dataset, "model": "dummy_model", "target": "animal", "name": name}
            made[name] = 1000 * time.time()
            client.post("/api/training_jobs/", json=wish).raise_for_status()
            opened[0].wait_for_timeout(1000 * PAUSE_SECONDS)
        return [at - made[name] for page in opened for name, at in shown(page, made).items()]


def shown(page: Page, names: dict[str, float]) -> dict[str, float]:
    """Wait until a page has shown all; gives when."""
    page.wait_for_function(
        "names => names.every(name => window.__shown[name] > 1)", arg=list(names), timeout=SHOWN_WITHIN_MS
    )
    seen: dict[str, float] = page.evaluate("window.__shown")
    return {name: seen[name] for name in names}


if __name__ == "__main__":
    main()
