"""How live a job's page is: from a signed PATCH to the point on the screen, and how it bears a long job.

    python -m benchmarks.live                     # latency at 1, 10 and 50 open pages
    python -m benchmarks.live --history 100000    # a job with a long past: first draw, live points, zoom

Latency. A real platform (benchmarks/stage.py) and one running job with 1,000 points; each page is a browser context of its own in one headless
Chromium, 1280 x 900, that shows the job. After a warm-up, single training points with three values are sent in signed PATCHes
through the gateway, at a fixed rate, one validation pass in 100. Measured for every point and every page, by one clock (the
machine's): from just before the callback is signed to its event in the page ("arrived"), and to the frame after the curve of
the loss ends in it ("on screen"; benchmarks/watch.js). "stored" is the PATCH's own answer, "CPU" the processor time of Chromium and of the platform while the points were sent. A point that the chart of any page
does not hold in the end is counted as missing. --streams adds viewers that only read the stream, without a browser: what the services cost apart from drawing.

Not measured: a network between browser and platform, a screen's own delay, a graphics card (Chromium draws in software here).
All pages, the services and the sender share one machine's processors. With 50 pages that is 50 browsers' work on one machine,
which no installation does; read that row as a bound on the browser's machine, and the --streams row as the services' own.

History. The job has a past of so many points, sent through the same PATCHes. Measured in fresh contexts, from navigation: first
frame with the loss curve, last draw of a chart, with an empty browser cache and with a full one; seconds and bytes of the
thinned history. Then live points, as above, on the long curves, and a zoom into a hundredth of the epochs: seconds until the
server's finer points are drawn, and how many there are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from benchmarks import stage
from benchmarks.stage import Trainer, percentile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WATCH = Path(__file__).with_name("watch.js")
WINDOW = {"width": 1280, "height": 900}
PAST = 1000  # points before the first page is opened
WARM_UP_SECONDS = 10.0  # until each page knows how fast its curves grow
SETTLE_SECONDS = 15.0  # how long points sent last are waited for
HELD = f"document.getElementById('chart-loss').data[0].x.map(x => Math.round(x * {stage.STEPS_AN_EPOCH}))"
COUNT = """range => document.getElementById("chart-loss").data[0].x.filter(x => x >= range[0] && x <= range[1]).length"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, nargs="+", default=[1, 10, 50], help="how many pages are open")
    parser.add_argument("--streams", type=int, default=0, help="viewers without a browser besides them")
    parser.add_argument("--rate", type=float, default=4.0, help="points a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of sending (%(default)s)")
    parser.add_argument("--history", type=int, default=0, metavar="POINTS", help="measure a long job instead")
    parser.add_argument("--rounds", type=int, default=5, help="of opening a long job's page (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    with stage.scene() as (_, client, browser):
        dataset = stage.upload(client)
        results = {**stage.conditions(browser), "rate": options.rate}
        if options.history:
            job = stage.start_job(client, dataset)
            results["history"] = history(client, browser, job, options)
        else:
            results["latency"] = []
            print(
                f"{options.rate:g} points a second for {options.seconds:g} s; {stage.load()}; milliseconds, p50 / p99 / most"
            )
            for pages in options.pages:
                row = latency(client, browser, stage.start_job(client, dataset), pages, options)
                results["latency"].append(row)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def context(browser: Browser, client: httpx.Client) -> BrowserContext:
    """Open a browser context: a viewer with a cache and connections of its own."""
    made = browser.new_context(base_url=str(client.base_url), viewport=WINDOW, bypass_csp=True)
    made.set_default_timeout(180_000)
    made.add_init_script(path=WATCH)
    return made


def is_live(page: Page) -> None:
    """Wait until the page follows the stream."""
    page.wait_for_selector("#live-connection[data-state=live]")


def latency(
    client: httpx.Client, browser: Browser, job: str, pages: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Measure a number of open pages; gives and prints the row."""
    trainer = Trainer(client, job)
    trainer.fill(PAST)
    with ExitStack() as stack:
        opened = []
        for _ in range(pages):
            viewer = context(browser, client)
            stack.callback(viewer.close)
            opened.append(viewer.new_page())
            opened[-1].goto(f"/jobs/{job}")
            is_live(opened[-1])
        for _ in range(options.streams):
            stack.enter_context(Stream(str(client.base_url), job))
        trainer.keep_sending(options.rate, WARM_UP_SECONDS).join()
        first = trainer.step
        before = stage.processor_seconds()
        trainer.keep_sending(options.rate, options.seconds).join()
        taken = stage.processor_seconds()
        row = {
            "pages": pages,
            "streams": options.streams,
            **reached(opened, trainer, first),
            "browser_cpu_ms": 1000 * (taken["browser"] - before["browser"]) / (trainer.step - first) / pages,
            "platform_cpu_ms": 1000 * (taken["platform"] - before["platform"]) / (trainer.step - first),
            "machine": stage.load(),
        }
    print(
        f"  {pages:3} pages, {options.streams:2} streams: stored {spread(row['stored_ms'])}, arrived {spread(row['arrived_ms'])}, "
        f"on screen {spread(row['on_screen_ms'])}; {row['missing']} of {row['points']} missing; "
        f"CPU of a point {row['browser_cpu_ms']:.0f} ms in each page, {row['platform_cpu_ms']:.0f} ms in the platform; {row['machine']}",
        flush=True,
    )
    return row


def reached(pages: list[Page], trainer: Trainer, first: int) -> dict[str, Any]:
    """Collect what became of the points from number `first` on."""
    steps = range(first, trainer.step)
    arrived, drawn, missing = [], [], 0
    deadline = time.monotonic() + SETTLE_SECONDS
    for page in pages:
        # Plotly has the last ones when it is quiet
        while steps[-1] not in (held := set(page.evaluate(HELD))) and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        missing += len(set(steps) - held)
        seen = page.evaluate("window.__seen")
        for step in steps:
            sent = 1000 * trainer.sent[step]
            if str(step) in seen["arrived"]:
                arrived.append(seen["arrived"][str(step)] - sent)
            if str(step) in seen["drawn"]:
                drawn.append(seen["drawn"][str(step)] - sent)
    stored = [1000 * (trainer.answered[step] - trainer.sent[step]) for step in steps]
    return {
        "points": len(steps) * len(pages), "missing": missing, "stored_ms": figures(stored), "arrived_ms": figures(arrived),
        "on_screen_ms": figures(drawn),
    }  # fmt: skip


def figures(milliseconds: list[float]) -> dict[str, float]:
    """Sum measurements up."""
    return {
        "p50": percentile(milliseconds, 0.5),
        "p99": percentile(milliseconds, 0.99),
        "max": max(milliseconds),
    }


def spread(figured: dict[str, float]) -> str:
    """Write p50 / p99 / most."""
    return " / ".join(f"{value:.0f}" for value in figured.values())


def history(client: httpx.Client, browser: Browser, job: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a job with a long past; gives and prints the results."""
    trainer = Trainer(client, job)
    begun = time.monotonic()
    trainer.fill(options.history)
    print(f"{options.history} points stored in {time.monotonic() - begun:.1f} s; {stage.load()}")
    results: dict[str, Any] = {"points": options.history, "rounds": options.rounds}
    asked = [clocked(client, job) for _ in range(options.rounds)]
    results["server"] = {"seconds": [seconds for seconds, _ in asked], "bytes": asked[-1][1]}
    print(
        f"  thinned history: first {asked[0][0]:.2f} s, then {statistics.median(s for s, _ in asked[1:] or asked):.2f} s, {asked[-1][1] / 1e3:.0f} kB"
    )
    opened: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    with ExitStack() as stack:
        for _ in range(options.rounds):
            viewer = stack.enter_context(context(browser, client))
            for cache in ("cold", "warm"):
                page = viewer.new_page()
                opened[cache].append(open_long(page, job))
                if cache == "cold":
                    page.close()
        for cache, rounds in opened.items():
            medians = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            results[cache] = {"median": medians, "all": rounds}
            words = ", ".join(f"{key.replace('_', ' ')} {value:.2f} s" for key, value in medians.items())
            every = ", ".join(format(each["first_draw"], ".2f") for each in rounds)
            print(f"  {cache} cache: {words} (first draws: {every})")
        for extra in viewer.browser.contexts[:-1]:  # one page stays
            extra.close()
        first = trainer.step
        page.evaluate("window.__seen.longest = 0")
        trainer.keep_sending(options.rate, options.seconds).join()
        results["live"] = reached([page], trainer, first) | {
            "longest_task_ms": page.evaluate("window.__seen.longest")
        }
        row = results["live"]
        print(
            f"  {row['points']} live points: arrived {spread(row['arrived_ms'])}, on screen {spread(row['on_screen_ms'])} ms; "
            f"{row['missing']} missing; longest task {row['longest_task_ms']:.0f} ms; {stage.load()}"
        )
        results["zoom"] = zoom(page, trainer.step / stage.STEPS_AN_EPOCH)
    return results


def clocked(client: httpx.Client, job: str) -> tuple[float, int]:
    """Ask for the thinned history; gives seconds and bytes."""
    begun = time.monotonic()
    answer = client.get("/api/metrics/curves/", params={"job": job, "points": 2000}).raise_for_status()
    return time.monotonic() - begun, len(answer.content)


def open_long(page: Page, job: str) -> dict[str, float]:
    """Open the job's page; gives seconds from navigation."""
    page.goto(f"/jobs/{job}")
    is_live(page)
    page.wait_for_function("window.__seen.firstDraw !== null")
    page.wait_for_timeout(1000)  # charts that are drawn later
    asked = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/curves/'))[0]"
    )
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    seen = page.evaluate("window.__seen")
    marks = {
        "first_paint": paint, "history_asked": asked["startTime"], "history_here": asked["responseEnd"],
        "first_draw": seen["firstDraw"], "last_draw": seen["lastDraw"],
    }  # fmt: skip
    return {key: value / 1000 for key, value in marks.items()}


def zoom(page: Page, epochs: float) -> dict[str, float]:
    """Zoom into a hundredth of the curve; gives seconds until it is refined, and its points before and after."""
    wanted = [epochs / 2, epochs / 2 + epochs / 100]
    before = page.evaluate(COUNT, wanted)
    begun = time.monotonic()
    page.evaluate(
        "range => Plotly.relayout('chart-loss', {'xaxis.range[0]': range[0], 'xaxis.range[1]': range[1]})",
        wanted,
    )
    page.wait_for_function(f"range => ({COUNT})(range) > {before}", arg=wanted)
    seconds = time.monotonic() - begun
    after = page.evaluate(COUNT, wanted)
    print(f"  zoom into a hundredth: {seconds:.2f} s, {before} points before, {after} after")
    return {"seconds": seconds, "points_before": before, "points_after": after}


class Stream:
    """A viewer without a browser: reads the stream and drops it, until the next thing told after the block."""

    def __init__(self, origin: str, job: str) -> None:
        self._address = f"{origin}/api/training_jobs/{job}/events/"
        self._over = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True

    def _read(self) -> None:
        # A stream is open as long as it is read; it breaks when the platform stops before anything more is told
        with (
            suppress(httpx.RemoteProtocolError),
            httpx.Client(timeout=None) as client,  # noqa: S113
            client.stream("GET", self._address) as answer,
        ):
            for _ in answer.iter_raw():
                if self._over:
                    return


if __name__ == "__main__":
    main()
