"""Takes a picture of every page, light and dark, wide and narrow, from the platform that the browser tests fake: to be looked at.

PYTHONPATH=.:tests python -m browser.screenshots [--out build/screenshots] [--only job try]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from browser import fake_data
from browser.fake_api import FakePlatform
from browser.one_origin import furnish, served

from benchmarks.stage import chromium

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

PAGES = {
    "home": "/",
    "datasets": "/datasets",
    "dataset": "/datasets/{animals}",
    "dataset-uploading": "/datasets/{uploading}",
    "jobs": "/jobs",
    "new-pick": "/jobs/new",
    "new-columns": "/jobs/new?dataset={animals}",
    "new-model": "/jobs/new?dataset={animals}#model",
    "new-training": "/jobs/new?dataset={animals}#training",
    "new-review": "/jobs/new?dataset={animals}#review",
    "compare": "/jobs/compare?jobs={done},{failed},{running},{again}",
    "compare-none": "/jobs/compare",
    "job-done": "/jobs/{done}",
    "job-failed": "/jobs/{failed}",
    "job-running": "/jobs/{running}",
    "job-again": "/jobs/{again}",
    "job-created": "/jobs/{created}",
    "job-waiting": "/jobs/{waiting}",
    "try": "/jobs/{done}/try",
    "try-answer": "/jobs/{done}/try?prediction={predicted}",
    "account": "/account",
    "sign-in": "/sign-in?next=/jobs",
    "nowhere": "/nowhere",
    "job-unknown": "/jobs/unknown",
}
WIDTHS = {"wide": 1280, "phone": 390}
SCHEMES = ("light", "dark")
DRAWN_MS = 1200  # charts are drawn one after another


def _refused(status: int, title: str, detail: str) -> Callable[[Page, FakePlatform], None]:
    def act(page: Page, platform: FakePlatform) -> None:
        platform.refuse_upload_start = (status, title, detail)
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "animals.csv"
            table.write_text(fake_data.sample_csv(30))
            page.goto("/datasets")
            page.get_by_label("Choose files").set_input_files(table)
            page.get_by_role("button", name="Upload").click()
            page.get_by_role("alert").first.wait_for()

    return act


def _away(page: Page, platform: FakePlatform) -> None:
    platform.down = True
    page.goto("/jobs")
    page.get_by_role("alert").first.wait_for()


def _wrong_key(page: Page, platform: FakePlatform) -> None:
    platform.asks_for_key = True
    page.goto("/datasets")
    page.get_by_label("API key").fill("trp_wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()


def _sign_in_elsewhere(page: Page, platform: FakePlatform) -> None:
    platform.asks_for_key, platform.provider = True, "the University of Somewhere"
    page.goto("/jobs")
    page.get_by_role("link", name="Sign in with").focus()  # so that the field is seen as it is without


def _signed_out(page: Page, platform: FakePlatform) -> None:
    page.goto("/datasets")
    page.get_by_role("heading", name="All data sets").wait_for()
    platform.asks_for_key = True
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("alert").first.wait_for()


def _new_key(page: Page, platform: FakePlatform) -> None:
    platform.add_key("nightly import", ["write"])[0]["revoked_at"] = "2026-11-20T10:00:00+00:00"
    platform.add_key(
        "dashboard of the whole department, only to look", ["read"], expires_at="2026-12-24T23:59:59+00:00"
    )
    platform.add_workspace("biology")
    page.goto("/account")
    page.get_by_label("Name").first.fill("laptop")
    page.get_by_role("button", name="Make key").click()
    page.get_by_role("button", name="Copy").wait_for()


def _empty(path: str) -> Callable[[Page, FakePlatform], None]:
    return lambda page, _platform: page.goto(path) and None


# On a platform of their own, without data
SCENES: dict[str, Callable[[Page, FakePlatform], None]] = {
    "empty-home": _empty("/"),
    "empty-datasets": _empty("/datasets"),
    "empty-jobs": _empty("/jobs"),
    "empty-new": _empty("/jobs/new"),
    "refused-429": _refused(429, "Too many uploads", "10 uploads are open, and QUOTA_OPEN_UPLOADS allows 10. Finish or remove one, or wait."),
    "refused-507": _refused(507, "No space left", "The upload has 3.2 GB, and the platform has 1.1 GB left (MIN_FREE_BYTES). Remove data sets that nobody needs."),
    "api-away": _away,
    "sign-in-elsewhere": _sign_in_elsewhere,
    "wrong-key": _wrong_key,
    "signed-out": _signed_out,
    "new-key": _new_key,
}  # fmt: skip


def main() -> None:
    """Take those that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"), help="folder (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="pages whose names begin so")
    parser.add_argument("--whole", action="store_true", help="not only what a window shows: the whole page")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = tuple(options.only)
    with chromium() as browser, served() as site:
        platform = FakePlatform()
        ids = furnish(platform) | _more(platform)
        with site.showing(platform):
            for name, path in PAGES.items():
                if name.startswith(wanted):
                    at = path.format(**ids)
                    _take(browser, site.origin, options, name, lambda page, at=at: page.goto(at))
        for name, act in SCENES.items():
            if name.startswith(wanted):
                alone = FakePlatform()
                with site.showing(alone):
                    _take(
                        browser,
                        site.origin,
                        options,
                        name,
                        lambda page, act=act, alone=alone: act(page, alone),
                    )


def _more(platform: FakePlatform) -> dict[str, str]:
    """Add jobs in states that the tests seldom need; gives ids by a short name."""
    dataset = next(iter(platform.datasets))
    again = platform.add_job(dataset, {"model": "multimodal", "name": "animals, second try"})
    platform.start(again)
    platform.set_state(again, "interrupted", "Spot capacity was taken back")
    platform.jobs[again]["attempt"] = 2
    platform.start(again)
    platform.emit(again, *fake_data.training_items(20, ["bird", "cat", "fish"])[:24])
    platform.beat(again, "training", 0.2, 240, "epoch 4 of 20")
    waiting = platform.add_job(dataset, {"model": "multimodal", "name": "animals, waiting"})
    platform.set_state(waiting, "queued")
    created = platform.add_job(dataset, {"model": "multimodal", "name": "animals, not started"})
    return {"again": again, "waiting": waiting, "created": created}


def _take(
    browser: Browser, origin: str, options: argparse.Namespace, name: str, act: Callable[[Page], object]
) -> None:
    with browser.new_context(base_url=origin, reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        act(page)
        page.locator("#page h1").wait_for()
        page.evaluate("document.querySelectorAll('#page details').forEach(one => { one.open = true; })")
        for look, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.evaluate("scrollTo(0, 0)")  # else the header would stand in the middle of a whole page
                page.wait_for_timeout(DRAWN_MS)
                page.screenshot(path=options.out / f"{name}-{look}-{scheme}.png", full_page=options.whole)
    print(name, flush=True)  # noqa: T201 - for a person


if __name__ == "__main__":
    main()
