"""How fast lists are with 10,000 data sets and 10,000 jobs: in a real Chromium, and the API alone.

    python -m benchmarks.lists [--rows 10000] [--rounds 5] [--json FILE]

A real platform (benchmarks/stage.py) with one data set that was uploaded and one job that ended. Both rows are then copied into the
platform's SQLite, each time under another id, name, moment and state: uploading ten thousand tables is not what is measured, and what a list
reads is these rows. A copy's job is of a copied data set; no copy has files, points or a run, so that their own pages are not opened.

Pages: first paint and "usable" as in benchmarks/paint.py, cold. Actions: from the key or click until the wanted rows stand, medians of the
rounds; a search holds the 300 ms for which the page waits for the next key. "rows" are those on the page. The API: p50 and largest of 20 calls
through the gateway, and the platform's processor time for one, which other work on the machine blurs less. No network lies between, and one machine serves and draws.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import insert, select

from benchmarks import stage
from benchmarks.live import WINDOW
from benchmarks.paint import WATCH, visit
from runtime.access.models import OwnedJob
from runtime.db import Database
from services.api.models import Dataset, Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from playwright.sync_api import Browser, Page
    from sqlalchemy.orm import Session

CALLS = 20
SECONDS_APART = 60
STATES = ("succeeded", "failed", "cancelled", "timed_out")  # ended ones: nobody looks for what runs
BATCH = 1000  # rows in one statement


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000, help="data sets, and jobs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of each page and action (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    with stage.scene() as (folder, client, browser):
        dataset = stage.upload(client)
        job = stage.end_job(client, dataset, 200)
        fill(folder / "var" / "triptych.db", dataset, job, options.rows)
        print(f"{options.rows} data sets and jobs; {stage.load()}", flush=True)
        results = {
            **stage.conditions(browser),
            "rows": options.rows,
            "api_ms": api(client, options.rows),
            "pages_ms": pages(browser, client, job, options.rounds),
            "actions_ms": actions(browser, client, job, options),
        }
        print(f"  {stage.load()}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def name_of(number: int) -> str:
    """Name a copied data set; the number's digits stand in no other name."""
    return f"survey {number:05}.csv"


def fill(path: Path, dataset_id: str, job_id: str, rows: int) -> None:
    """Copy a data set and a job so often, the copies older than both."""
    database = Database(f"sqlite:///{path}")
    with database.read() as session:
        dataset, job = row(session, Dataset, dataset_id), row(session, Job, job_id)
    for first in range(0, rows, BATCH):
        datasets, jobs = [], []
        for number in range(first, min(rows, first + BATCH)):
            back = timedelta(seconds=SECONDS_APART * (rows - number))
            copy = {
                **dataset,
                "id": uuid4().hex,
                "name": name_of(number),
                "created_at": dataset["created_at"] - back,
            }
            moments = {key: job[key] - back for key in ("created_at", "started_at", "finished_at")}
            named = {"id": uuid4().hex, "name": f"try {number:05}", "state": STATES[number % len(STATES)]}
            datasets.append(copy)
            jobs.append({**job, **named, **moments, "dataset_id": copy["id"]})
        with database.write() as session:
            session.execute(insert(Dataset), datasets)
            session.execute(insert(Job), jobs)
            owned = [{"job_id": each["id"], "workspace_id": each["workspace_id"]} for each in jobs]
            session.execute(insert(OwnedJob), owned)
    database.engine.dispose()


def row(session: Session, table: type[Dataset | Job], identity: str) -> dict[str, Any]:
    """Read all columns of a row."""
    columns = table.__table__.columns
    return dict(session.execute(select(*columns).where(columns.id == identity)).mappings().one())


def api(client: httpx.Client, rows: int) -> dict[str, list[float]]:
    """Time the calls that lists make; gives milliseconds: p50, largest, and the platform's processor time for one."""
    found: dict[str, list[float]] = {}
    deep = rows // 25
    last = last_cursor(client, "/api/datasets/"), last_cursor(client, "/api/training_jobs/")
    last_ended = last_cursor(client, "/api/training_jobs/", order="ended")
    hit = f"search={rows // 2:05}"
    for path, asked in (
        ("/api/datasets/", ""),
        ("/api/datasets/", f"page={deep}"),
        ("/api/datasets/", f"cursor={last[0]}"),
        ("/api/datasets/", hit),
        ("/api/datasets/", "search=nowhere"),
        ("/api/datasets/", "order=name"),
        ("/api/training_jobs/", ""),
        ("/api/training_jobs/", f"page={deep}"),
        ("/api/training_jobs/", f"cursor={last[1]}"),
        ("/api/training_jobs/", hit),
        ("/api/training_jobs/", "search=nowhere"),
        ("/api/training_jobs/", "state=failed"),
        ("/api/training_jobs/", "state=failed&search=try 0"),
        ("/api/training_jobs/", "state=queued,launching,running"),
        ("/api/training_jobs/", "order=ended"),
        ("/api/training_jobs/", f"order=ended&cursor={last_ended}"),
        ("/api/training_jobs/", "order=ended&state=failed"),
        ("/api/training_jobs/", "order=name"),
    ):
        took = []
        worked = stage.processor_seconds()["platform"]
        for _ in range(CALLS):
            began = time.perf_counter()
            client.get(f"{path}?page_size=25&{asked}").raise_for_status()
            took.append(1000 * (time.perf_counter() - began))
        told = re.sub("cursor=.*", "cursor=(last)", f"{path}?{asked}")
        worked = 1000 * (stage.processor_seconds()["platform"] - worked) / CALLS
        found[told] = [statistics.median(took), max(took), worked]
        print(f"  {told:60} {found[told][0]:6.0f} {found[told][1]:6.0f} {worked:6.1f} ms", flush=True)
    return found


def last_cursor(client: httpx.Client, path: str, **asked: str) -> str:
    """Walk a list to the cursor of its last part."""
    cursor = ""
    while True:
        given = {"page_size": "100", **asked, **({"cursor": cursor} if cursor else {})}
        following = client.get(path, params=given).raise_for_status().json()["next_cursor"]
        if following is None:
            return cursor
        cursor = following


def pages(browser: Browser, client: httpx.Client, job: str, rounds: int) -> dict[str, dict[str, float]]:
    """Open each page in a browser without a cache."""
    found = {}
    for path in (
        "/",
        "/datasets",
        "/jobs",
        "/jobs?state=failed",
        "/jobs?state=failed&order=ended",
        "/jobs/new",
        "/jobs/compare",
        f"/jobs/{job}/try",
    ):
        seen = []
        for _ in range(rounds):
            with browser.new_context(
                base_url=str(client.base_url), viewport=WINDOW, bypass_csp=True
            ) as viewer:
                viewer.add_init_script(WATCH)
                seen.append(visit(viewer, path))
        told = path.replace(job, "…")
        found[told] = {
            key: statistics.median(each[key] for each in seen) for key in ("first", "usable", "bytes")
        }
        first, usable, moved = found[told].values()
        print(f"  {told:34} {first:.0f} / {usable:.0f} ms; {moved / 1e3:.0f} kB", flush=True)
    return found


def actions(
    browser: Browser, client: httpx.Client, job: str, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Search, turn pages and filter, as a person does."""
    digits = f"{options.rows // 2:05}"
    steps: dict[str, tuple[str, Callable[[Page], None], str, str]] = {
        # what is done: page, how, where rows stand, the text that the first of them must hold
        "data sets, search": ("/datasets", typed("Search by name", digits), "#datasets-list .row-link", digits),
        "data sets, next page": ("/datasets", turned, "#datasets-list .row-link", f"{options.rows - 25:05}"),
        "jobs, search": ("/jobs", typed("Search by name", digits), "#jobs-list .row-link", digits),
        "jobs, next page": ("/jobs", turned, "#jobs-list .row-link", f"{options.rows - 25:05}"),
        "jobs, failed ones": ("/jobs", picked("State", "failed"), "#jobs-list tbody .badge", "failed"),
        "new job, search": ("/jobs/new", typed("Search by name", digits), "#pick-list .row-link", digits),
        "new job, next page": ("/jobs/new", turned, "#pick-list .row-link", f"{options.rows - 25:05}"),
        "compare, search": ("/jobs/compare", typed("Jobs", digits), "[role=option]:visible", digits),
        "try, search": (f"/jobs/{job}/try", typed("Data set", digits), "[role=option]:visible", digits),
    }  # fmt: skip
    found = {}
    for what, (path, act, where, text) in steps.items():
        took, rows = [], 0
        for _ in range(options.rounds):
            with browser.new_context(base_url=str(client.base_url), viewport=WINDOW) as viewer:
                page = viewer.new_page()
                page.set_default_timeout(60_000)
                page.goto(path)
                page.locator("#page h1").wait_for()
                rows = max(rows, page.locator("#page tbody tr, #page .pick-list li").count())
                took.append(timed(page, act, where, text))
        found[what] = {"ms": statistics.median(took), "rows": rows}
        print(f"  {what:24} {found[what]['ms']:.0f} ms; {rows} rows on the page", flush=True)
    return found


def timed(page: Page, act: Callable[[Page], None], where: str, text: str) -> float:
    """Do something and wait until the first row holds a text; gives milliseconds."""
    began = time.perf_counter()
    act(page)
    wanted = page.locator(where).first.filter(has_text=text)
    wanted.wait_for()
    return 1000 * (time.perf_counter() - began)


def typed(label: str, text: str) -> Callable[[Page], None]:
    return lambda page: (
        page.get_by_role("textbox", name=label).or_(page.get_by_label(label, exact=True)).first.fill(text)
    )


def turned(page: Page) -> None:
    page.get_by_role("button", name="2", exact=True).click()


def picked(label: str, option: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_role("textbox", name=label).click()
        page.get_by_role("option", name=option, exact=True).click()

    return act


if __name__ == "__main__":
    main()
