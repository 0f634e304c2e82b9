"""Waits that Playwright's own expectations do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.wait import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def wait_for_focus(locator: Locator) -> None:
    """Wait until an element has its page's focus; whether the browser's window is in front is none of the page's business."""
    # Looked up each time: React may put another element in its place
    until(lambda: locator.evaluate("e => document.activeElement === e"), f"the focus on {locator}")
