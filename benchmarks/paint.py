"""How soon every page is there: first and largest contentful paint in a real Chromium, with an empty browser cache and a full one.

    python -m benchmarks.paint [--rounds 5] [--json FILE]

A real platform (benchmarks/stage.py) with a data set, a running job of 2,000 points, one that ended and a done upload. Each page is opened
by its address in a fresh browser context ("cold"), then in the same context again ("warm"). Paints are Chromium's own entries, milliseconds
from navigation; "usable" is the time at which Dash's page stands in place of the one that came as HTML. A first paint without the page's
heading ends the run: it would be no content. Medians over the rounds; kB are what the cold visit moved.
A library that one visit asks for twice ends the run. No network lies between, and one machine serves and draws.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import stage
from benchmarks.live import WINDOW

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

WATCH = """
window.__largest = 0;
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.__largest = entry.startTime; })
  .observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver(() => { window.__content = document.querySelector("h1") !== null; }).observe({ type: "paint", buffered: true });
new MutationObserver(() => { if (!window.__usable && document.querySelector("#page h1")) window.__usable = performance.now(); })
  .observe(document, { childList: true, subtree: true });
"""
READ = """() => ({
  first: performance.getEntriesByName("first-contentful-paint")[0].startTime, largest: window.__largest, usable: window.__usable, content: window.__content,
  bytes: performance.getEntriesByType("resource").reduce((sum, e) => sum + e.transferSize, 0),
  scripts: performance.getEntriesByType("resource").filter(e => e.name.includes(".js")).map(e => e.name) })"""
SETTLED_MS = 1500  # after the heading; a larger paint may follow


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each page (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    with stage.scene() as (_, client, browser):
        dataset = stage.upload(client)
        job = stage.start_job(client, dataset)
        stage.Trainer(client, job).fill(2000)
        done = stage.end_job(client, dataset, 2000)
        results: dict[str, Any] = {**stage.conditions(browser), "pages": {}}
        print(
            f"milliseconds, medians of {options.rounds}: first paint / largest paint / usable; {stage.load()}"
        )
        for path in (
            "/",
            "/datasets",
            f"/datasets/{dataset}",
            "/jobs",
            "/jobs/new",
            f"/jobs/new?dataset={dataset}",
            f"/jobs/{job}",
            f"/jobs/{done}",
            f"/jobs/compare?jobs={job},{done}",
            f"/jobs/{done}/try",
        ):
            visits: dict[str, list[dict[str, Any]]] = {"cold": [], "warm": []}
            for _ in range(options.rounds):
                with browser.new_context(
                    base_url=str(client.base_url), viewport=WINDOW, bypass_csp=True
                ) as viewer:
                    viewer.add_init_script(WATCH)
                    for each in visits.values():
                        each.append(visit(viewer, path))
            name = path.replace(dataset, "…").replace(job, "running").replace(done, "done")
            row = {
                cache: {
                    key: statistics.median(v[key] for v in each)
                    for key in ("first", "largest", "usable", "bytes")
                }
                for cache, each in visits.items()
            }
            results["pages"][name] = row
            words = "; ".join(
                f"{cache} {row[cache]['first']:.0f} / {row[cache]['largest']:.0f} / {row[cache]['usable']:.0f}"
                for cache in visits
            )
            print(f"  {name:32} {words}; {row['cold']['bytes'] / 1e3:.0f} kB", flush=True)
        print(f"  {stage.load()}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def visit(viewer: BrowserContext, path: str) -> dict[str, Any]:
    """Open a page and give its times."""
    page = viewer.new_page()
    page.goto(path)
    page.wait_for_function("window.__usable", timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    seen: dict[str, Any] = page.evaluate(READ)
    page.close()
    if not seen["content"]:
        raise SystemExit(f"{path} was first painted without a heading")
    twice = [name for name, times in Counter(seen["scripts"]).items() if times > 1]
    if twice:
        raise SystemExit(f"{path} asks twice for {', '.join(twice)}")
    return seen


if __name__ == "__main__":
    main()
