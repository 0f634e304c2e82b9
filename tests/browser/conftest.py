"""Chromium, and the UI over a fake API, for the browser tests."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from browser.fake_api import FakePlatform
from browser.one_origin import served
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine")
    expect.set_options(timeout=SHOWN_WITHIN)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def origin(platform: FakePlatform) -> Iterator[str]:
    with served(platform) as address:
        yield address


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


@pytest.fixture
def page(chromium: Browser, origin: str, troubles: Troubles) -> Iterator[Page]:
    """A page at the UI's origin; the test fails where its console has errors or it asks another host."""
    context = chromium.new_context(base_url=origin, viewport={"width": 1280, "height": 900})
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
    yield opened
    context.close()
    assert troubles.unexpected() == []
