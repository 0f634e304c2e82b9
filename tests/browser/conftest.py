"""Chromium, and the UI over a fake API, for the browser tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from browser.fake_api import FakePlatform
from browser.one_origin import Site, served
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Response, expect, sync_playwright

from benchmarks.stage import find_chromium
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLAGS = (
    "--no-sandbox",  # containers without user namespaces
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOWN_WITHIN = 30_000  # ms; a machine under load, not a measure of the UI


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker("browser")


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], BrowserContext]]:
    """Give a browser for each origin, with a profile on disk: what Chromium keeps of compiled scripts halves a page's CPU time."""
    path = find_chromium()
    if path is None:
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=SHOWN_WITHIN)
    with sync_playwright() as playwright:
        opened: dict[str, BrowserContext] = {}

        def profile(origin: str) -> BrowserContext:
            if origin not in opened:
                opened[origin] = playwright.chromium.launch_persistent_context(
                    tmp_path_factory.mktemp("profile"),
                    executable_path=path,
                    args=list(FLAGS),
                    timeout=120_000,
                    base_url=origin,
                    viewport={"width": 1280, "height": 900},
                )
            return opened[origin]

        yield profile
        for context in opened.values():
            context.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with served() as site:
        yield site


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def origin(site: Site, platform: FakePlatform) -> Iterator[str]:
    with site.showing(platform):
        yield site.origin


class Troubles(list[str]):
    """What a page complained of; a test that provokes something says which words it expects."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[str] = []

    def unexpected(self) -> list[str]:
        return [text for text in self if not any(re.search(words, text) for words in self.expected)]


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


def _arrive_when_ready(page: Page) -> None:
    """Let goto and reload wait until Dash has made the page, for nothing of it can be used before; not if `wait_until` is given."""

    def patient(go: Callable[..., Response | None]) -> Callable[..., Response | None]:
        def arrive(*address: str, **options: Any) -> Response | None:
            answer = go(*address, **options)
            if not options:
                page.locator("#page h1").wait_for()
            return answer

        return arrive

    page.goto = patient(page.goto)  # type: ignore[method-assign] # Playwright gives pages of its own class alone
    page.reload = patient(page.reload)  # type: ignore[method-assign]


def _ask_from_here(page: Page) -> None:
    """Let wait_for_function ask again and again, instead of a script in the page, which may not make code of text there."""

    def true(expression: str, arg: object) -> bool:
        try:
            return bool(page.evaluate(expression, arg))
        except Error:  # the page is going
            return False

    def wait(expression: str, *, arg: object = None) -> None:
        until(lambda: true(expression, arg), expression, seconds=SHOWN_WITHIN / 1000)

    page.wait_for_function = wait  # type: ignore[method-assign,assignment] # as above


@pytest.fixture
def page(profiles: Callable[[str], BrowserContext], origin: str, troubles: Troubles) -> Iterator[Page]:
    """A page at the UI's origin, without a past; the test fails where its console has errors or it asks another host."""
    context = profiles(origin)
    opened = context.new_page()
    opened.set_default_timeout(SHOWN_WITHIN)

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(f"{message.text} {message.location.get('url', '')}")

    opened.on("console", heard)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "request",
        lambda r: None if r.url.startswith((origin, "data:", "blob:")) else troubles.append(f"asked {r.url}"),
    )
    _arrive_when_ready(opened)
    _ask_from_here(opened)
    yield opened
    context.set_offline(False)
    # cookies, local storage and databases; the scripts that are kept belong to none of these
    context.new_cdp_session(opened).send(
        "Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"}
    )
    opened.close()
    assert troubles.unexpected() == []
