"""Signing in and out, keys, and a browser that is signed out in the midst."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import fake_data
from browser.fake_api import FIRST_KEY
from browser.one_origin import furnish
from playwright.sync_api import Page, expect

OUT = r"401 \(UNAUTHORIZED\)"


@pytest.fixture
def made(platform):
    platform.asks_for_key = True
    return furnish(platform)


def sign_in(page: Page, key: str = FIRST_KEY):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_leads_to_the_page_that_was_asked_for_and_out_again(page: Page, made, troubles):
    troubles.expected = [OUT]
    page.goto(f"/jobs?dataset={made['animals']}")
    sign_in(page, "trp_wrong")
    expect(page.get_by_role("alert")).to_contain_text("This key is not known here")
    expect(page.get_by_label("API key")).to_be_focused()
    expect(page.get_by_label("API key")).to_have_value("")
    sign_in(page)
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert page.url.endswith(f"/jobs?dataset={made['animals']}")
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("signed in as")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/jobs", wait_until="load")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_in_follows_the_systems_scheme_and_can_be_read_in_either(page: Page, platform, troubles):
    troubles.expected = [OUT]
    platform.asks_for_key, platform.provider = True, "Elsewhere"
    page.emulate_media(color_scheme="light")
    page.goto("/jobs")
    sign_in(page, "trp_wrong")
    page.get_by_role("alert").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
        assert Axe().run(page).response["violations"] == []


def test_a_key_is_made_shown_once_and_revoked(page: Page, platform):
    page.goto("/account")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_text("Say what it is for.")).to_be_visible()
    page.get_by_label("Name").first.fill("laptop")
    page.get_by_label("write").uncheck()
    page.get_by_role("textbox", name="It expires").click()
    page.get_by_role("option", name="on a date").click()
    page.get_by_label("Last day").fill("2031-02-03")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_text("It is shown this once")).to_be_visible()
    key = platform.keys[page.locator(".key-field").inner_text()]
    assert (key["scopes"], key["expires_at"]) == (["read"], "2031-02-03T23:59:59+00:00")
    page.get_by_role("button", name="Revoke laptop").click()
    dialog = page.get_by_role("dialog", name="Revoke this key?")
    expect(dialog).to_contain_text("Whatever uses laptop is refused from then on")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("table").first).to_contain_text("revoked")
    assert key["revoked_at"]


def test_a_workspace_is_made_with_a_first_key(page: Page, platform):
    page.goto("/account")
    page.get_by_label("Name").last.fill("biology")
    page.get_by_role("button", name="Make workspace").click()
    expect(page.get_by_text("Copy the key first key of biology now")).to_be_visible()
    key = platform.keys[page.locator(".key-field").inner_text()]
    assert key["workspace"] == platform.workspaces[1]["id"]


@pytest.mark.long
def test_signed_out_in_the_midst_a_page_says_so_and_goes_on_after_signing_in_elsewhere(
    page: Page, platform, made, troubles
):
    troubles.expected = [OUT]
    page.goto(f"/jobs/{made['running']}")
    sign_in(page)
    expect(page.locator("#live-connection")).to_have_text("live")
    platform.sessions.clear()
    platform.drop_connections()
    expect(page.locator("#signed-out")).to_contain_text("You are signed out")
    expect(page.locator("#live-connection")).to_have_text("signed out")
    page.request.post("/api/session/", data={"key": FIRST_KEY})  # another tab, for the page
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#live-connection")).to_have_text("live")
    expect(page.locator("#signed-out")).to_have_count(0)


def test_a_page_that_is_refused_leads_to_sign_in_and_back(page: Page, platform, made, troubles):
    troubles.expected = [OUT]
    page.goto("/")
    sign_in(page)
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    page.goto("/datasets")
    platform.sessions.clear()
    page.get_by_label("Search by name").fill("animals")
    refused = page.locator("#page").get_by_role("alert")
    expect(refused).to_contain_text("You are signed out")
    refused.get_by_role("link", name="Sign in").click()
    sign_in(page)
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()


@pytest.mark.long
def test_an_upload_waits_for_a_sign_in_and_goes_on(page: Page, platform, tmp_path, troubles):
    troubles.expected = [OUT]
    (tmp_path / "zoo.csv").write_text(fake_data.sample_csv(120))
    platform.chunk_bytes = 2000
    platform.let_chunks_pass(1)
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(tmp_path / "zoo.csv")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_function("triptych.upload.offset === 2000")
    platform.asks_for_key = True
    platform.let_chunks_pass()
    expect(page.locator("#upload-trouble")).to_have_text(
        "You are signed out. Nothing is lost: it goes on once you are signed in again."
    )
    with page.context.expect_page() as opened:
        page.locator("#signed-out").get_by_role("link", name="Sign in").click()
    other = opened.value
    sign_in(other)
    other.get_by_role("heading", name="Data sets").first.wait_for()
    other.close()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    expect(page.locator("#signed-out")).to_have_count(0)
    assert platform.uploaded["file", "zoo.csv"] == (tmp_path / "zoo.csv").read_bytes()
