"""Uploads that are left, broken off, paused, refused: what a person sees, and that every byte arrives."""

from __future__ import annotations

import os
import random
import re
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import fake_data
from browser.fake_uploads import store_part
from playwright.sync_api import Page, expect

CHUNK = 50_000


@pytest.fixture
def chosen(tmp_path, platform):
    """Files of six chunks."""
    platform.chunk_bytes = CHUNK
    (tmp_path / "zoo.csv").write_text(fake_data.sample_csv(12))
    paths = [tmp_path / "zoo.csv"]
    for number in range(10):
        paths.append(tmp_path / f"{number:03}.png")
        paths[-1].write_bytes(random.Random(number).randbytes(28_000))
    return paths


def begin(page: Page, chosen):
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(chosen)
    page.get_by_role("button", name="Upload").click()


def arrived(platform, chosen):
    sent = {name: raw for (_, name), raw in platform.uploaded.items()}
    return sent == {path.name: path.read_bytes() for path in chosen}


def on_the_server(page: Page, chunks: int):
    page.wait_for_function(f"triptych.upload.offset === {chunks * CHUNK}")


def test_rows_show_each_file_and_many_images_together(page: Page, platform, chosen):
    platform.let_chunks_pass(3)
    begin(page, chosen)
    expect(page.get_by_text("zoo.csv", exact=True).last).to_be_visible()
    expect(page.get_by_text(re.compile("[5-7] of 10"))).to_be_visible()
    expect(page.get_by_role("progressbar", name="10 images")).to_be_visible()
    assert page.get_by_role("progressbar").count() == 3
    platform.let_chunks_pass()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "*",
}


def test_parts_go_straight_to_the_store_where_the_server_says_so(page: Page, platform, chosen, troubles):
    platform.store = "http://store.test/bucket"
    troubles.expected = ["^asked http://store.test/"]

    def take(route):
        request = route.request
        assert request.method == "PUT"
        assert "tus-resumable" not in request.headers
        upload_id = urlsplit(request.url).path.rpartition("/")[2]
        store_part(platform, upload_id, request.post_data_buffer, request.headers["x-amz-checksum-crc32"])
        route.fulfill(status=200, headers=CORS)

    page.route(f"{platform.store}/**", take)
    begin(page, chosen)
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)
    assert platform.chunks == 0


@pytest.mark.long
def test_a_store_out_of_reach_sends_everything_through_the_server(page: Page, platform, chosen, troubles):
    platform.store = "http://store.test/bucket"
    troubles.expected = ["http://store.test/"]
    page.route(f"{platform.store}/**", lambda route: route.abort())
    begin(page, chosen)
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)
    assert platform.chunks == 6
    assert len(platform.uploads) == 1


def test_it_goes_on_elsewhere_and_a_line_leads_back(page: Page, platform, chosen):
    platform.let_chunks_pass(2)
    begin(page, chosen)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    line = page.get_by_role("complementary", name="Upload")
    expect(line).to_contain_text("Uploading zoo.csv")
    line.get_by_role("link").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(line).to_be_hidden()
    page.get_by_role("link", name="Home", exact=True).click()
    expect(line).to_contain_text("Uploading zoo.csv")
    platform.let_chunks_pass()
    expect(line).to_contain_text("Uploaded: zoo.csv. Open it")
    line.get_by_role("link").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    expect(line).to_be_hidden()
    assert arrived(platform, chosen)


def test_a_pause_ends_where_it_began(page: Page, platform, chosen):
    platform.let_chunks_pass(2)
    begin(page, chosen)
    on_the_server(page, 2)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused · 100 kB of")).to_be_visible()
    platform.let_chunks_pass()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


def test_cancelled_it_is_gone_from_the_server(page: Page, platform, chosen):
    platform.let_chunks_pass(1)
    begin(page, chosen)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Drop a CSV here")).to_be_visible()
    page.wait_for_function("localStorage.getItem('triptych-uploads') === '[]'")
    platform.let_chunks_pass()
    page.reload()
    expect(page.get_by_text("Drop a CSV here")).to_be_visible()
    assert platform.uploads == {}


def reload_in_the_middle(page: Page, platform, chosen, chunks=3):
    platform.let_chunks_pass(chunks)
    begin(page, chosen)
    on_the_server(page, chunks)
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]
    platform.let_chunks_pass()


def test_after_a_reload_the_same_files_go_on_where_they_were(page: Page, platform, chosen, troubles):
    troubles.expected = [
        "409"
    ]  # where the chunk that was under way arrives just after the page has asked how far it is
    reload_in_the_middle(page, platform, chosen)
    expect(page.get_by_text("Unfinished upload: zoo.csv")).to_be_visible()
    # the chunk that was under way may have arrived
    expect(page.get_by_text(re.compile("(150|200) kB of 281 kB are on the server"))).to_be_visible()
    page.get_by_label("Choose files").set_input_files(chosen)
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)
    assert platform.chunks <= 7, "chunks were sent again"
    assert len(platform.uploads) == 1


@pytest.mark.long
def test_after_a_reload_a_changed_file_is_named_and_may_be_sent_anew(page: Page, platform, chosen):
    reload_in_the_middle(page, platform, chosen)
    expect(page.get_by_text("Unfinished upload: zoo.csv")).to_be_visible()
    os.utime(chosen[4], (10**9, 10**9))
    page.get_by_label("Choose files").set_input_files(chosen)
    expect(page.get_by_role("alert")).to_contain_text(
        "These are not the files of zoo.csv: 003.png was changed on"
    )
    page.get_by_role("button", name="Discard it").click()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


def test_a_broken_network_is_waited_out_in_words(page: Page, platform, chosen, troubles):
    troubles.expected = ["ERR_INTERNET_DISCONNECTED", "ERR_"]
    platform.let_chunks_pass(2)
    begin(page, chosen)
    on_the_server(page, 2)
    page.context.set_offline(True)
    platform.let_chunks_pass()
    page.evaluate("triptych.pauseUpload(); void triptych.continueUpload()")
    expect(
        page.get_by_text("There is no network connection. Nothing is lost: trying again in")
    ).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


@pytest.mark.long
def test_a_platform_that_is_away_is_waited_for(page: Page, platform, chosen, troubles):
    troubles.expected = ["502"]
    platform.let_chunks_pass(2)
    begin(page, chosen)
    on_the_server(page, 2)
    platform.refuse_chunk = (502, "Bad Gateway", "")
    platform.let_chunks_pass()
    expect(page.get_by_text("The platform does not answer (HTTP 502).")).to_be_visible()
    platform.refuse_chunk = None
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


@pytest.mark.long
def test_a_full_disk_is_told_and_tried_again(page: Page, platform, chosen, troubles):
    troubles.expected = ["507"]
    platform.refuse_chunk = (
        507,
        "Insufficient Storage",
        "There is no room on the server for more of this upload.",
    )
    begin(page, chosen)
    expect(page.get_by_role("alert")).to_contain_text("There is no room on the server")
    platform.refuse_chunk = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


def test_a_limit_is_told_where_it_was_met_and_the_same_files_are_tried_again(
    page: Page, platform, chosen, troubles
):
    troubles.expected = ["429"]
    words = "100 uploads are under way, and 100 is the most allowed (MAX_OPEN_UPLOADS); finish or cancel one of them, or wait."
    platform.refuse_upload_start = (429, "Too Many Requests", words)
    begin(page, chosen)
    expect(page.get_by_role("alert")).to_contain_text(words)
    platform.refuse_upload_start = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="zoo.csv")).to_be_visible()
    assert arrived(platform, chosen)


def test_what_is_refused_at_the_start_says_so_before_anything_is_sent(page: Page, platform, chosen, troubles):
    troubles.expected = ["413"]
    words = "The upload has 280,000 bytes, 28,000 of them in '009.png'; at most 1000 are allowed (MAX_UPLOAD_BYTES)."
    platform.refuse_upload_start = (413, "Request Entity Too Large", words)
    begin(page, chosen)
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.get_by_text("Table: zoo.csv")).to_be_visible()
    assert platform.chunks == 0


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), pytest.param("dark", 390, marks=pytest.mark.long)]
)
def test_axe_finds_nothing_serious_while_files_are_on_their_way(
    page: Page, platform, chosen, troubles, scheme, width
):
    troubles.expected = ["502"]
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    platform.let_chunks_pass(2)
    begin(page, chosen)
    on_the_server(page, 2)
    assert serious(page) == []
    page.get_by_role("link", name="Home", exact=True).click()
    expect(page.get_by_role("complementary", name="Upload")).to_be_visible()
    assert serious(page) == []
    page.get_by_role("link", name="Data sets", exact=True).click()
    platform.refuse_chunk = (502, "Bad Gateway", "")
    platform.let_chunks_pass()
    expect(page.get_by_role("button", name="Try now")).to_be_visible()
    assert serious(page) == []


def serious(page: Page) -> list[tuple[str, str]]:
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [
        (violation["id"], violation["nodes"][0]["html"][:160])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]
