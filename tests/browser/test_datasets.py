from __future__ import annotations

import pytest
from browser import fake_data
from browser.waiting import wait_for_focus
from playwright.sync_api import Page, expect

from support.wait import until


def files(tmp_path, *names):
    paths = []
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fake_data.sample_csv(12).encode() if name.endswith("csv") else b"x" * 2000)
        paths.append(path)
    return paths


def test_from_an_empty_platform_to_an_uploaded_data_set(page: Page, platform, tmp_path):
    page.goto("/")
    page.get_by_role("link", name="Upload data").click()
    page.get_by_label("Choose files").set_input_files(
        files(tmp_path, "animals.csv", "000.png", "001.png", "notes.docx")
    )
    expect(page.get_by_text("Table: animals.csv")).to_be_visible()
    expect(page.get_by_text("2 images")).to_be_visible()
    expect(page.get_by_text("Left out, neither table nor image: notes.docx")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="animals.csv")).to_be_visible()
    (dataset,) = platform.datasets.values()
    assert (dataset["name"], dataset["files"]) == ("animals.csv", 2)
    assert page.title() == "Data set · Triptych"


def test_a_folder_is_uploaded_with_its_paths(page: Page, platform, tmp_path):
    files(tmp_path / "zoo", "table.csv", "img/000.png", "img/deep/001.png", ".DS_Store")
    page.goto("/datasets")
    sent = []
    page.on(
        "request",
        lambda request: (
            sent.append(request) if request.method == "POST" and "upload" in request.url else None
        ),
    )
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "zoo")
    expect(page.get_by_text("2 images")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="zoo")).to_be_visible()
    assert platform.uploaded_names == ["img/000.png", "img/deep/001.png"]


def test_files_can_be_dropped(page: Page, platform):
    page.goto("/datasets")
    transfer = page.evaluate_handle(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "dropped.csv", {type: "text/csv"}));
            return transfer;
        }""",
        fake_data.sample_csv(9),
    )
    page.locator(".drop-zone").dispatch_event("drop", {"dataTransfer": transfer})
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="dropped.csv")).to_be_visible()


def test_of_several_tables_one_is_chosen(page: Page, platform, tmp_path):
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(files(tmp_path, "a.csv", "b.csv"))
    page.get_by_label("Which of them is the table?").select_option("b.csv")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="b.csv")).to_be_visible()


def test_images_without_a_table_wait_for_it(page: Page, platform, tmp_path):
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(files(tmp_path, "000.png"))
    expect(page.get_by_role("alert")).to_contain_text("There is no table among 1 file.")
    page.get_by_label("Choose files").set_input_files(files(tmp_path, "later.csv"))
    expect(page.get_by_text("1 image")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="later.csv")).to_be_visible()
    assert platform.uploaded_names == ["000.png"]


def test_a_refused_upload_says_why_and_can_be_sent_again(page: Page, platform, troubles, tmp_path):
    troubles.expected = ["422"]
    platform.refuse_upload = (422, "Line 7 has 12 cells, the header has 5.")
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(files(tmp_path, "bad.csv"))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 7 has 12 cells, the header has 5.")
    platform.refuse_upload = None
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="bad.csv")).to_be_visible()


def test_an_upload_goes_on_when_its_page_is_left(page: Page, platform, tmp_path):
    platform.hold_uploads.clear()
    page.goto("/datasets")
    page.get_by_label("Choose files").set_input_files(files(tmp_path, "slow.csv"))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("The server reads the first rows")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Data sets", exact=True).click()
    expect(page.get_by_text("The server reads the first rows")).to_be_visible()
    platform.hold_uploads.set()
    expect(page.get_by_role("heading", name="slow.csv")).to_be_visible()


def test_both_tracks_update_without_a_reload(page: Page, platform):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(), done=False)
    page.goto(f"/datasets/{dataset}")
    expect(page.get_by_text("Reading every row")).to_be_visible()
    expect(page.locator("#dataset-about")).to_contain_text("at least")
    platform.schemas[dataset]["findings"] = [
        {"level": "warning", "code": "x", "message": "Found late.", "column": None}
    ]
    platform.finish_dataset(dataset)
    expect(page.get_by_text("Reading every row")).to_be_hidden()
    expect(page.get_by_text("Found late.")).to_be_visible()
    expect(page.locator("#dataset-about")).not_to_contain_text("at least")


def test_a_type_is_changed_and_saved_at_once(page: Page, platform):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv())
    page.goto(f"/datasets/{dataset}")
    page.get_by_role("textbox", name="Type of legs").click()
    page.get_by_role("option", name="numeric").click()
    expect(page.get_by_text("Changed by you; detected: categorical")).to_be_visible()
    assert platform.overrides[dataset] == {"legs": {"type": "numeric"}}
    page.reload()
    expect(page.get_by_text("Changed by you; detected: categorical")).to_be_visible()


@pytest.mark.long
def test_the_role_is_changed_by_keyboard_alone(page: Page, platform):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv())
    page.goto(f"/datasets/{dataset}")
    control = page.get_by_role("textbox", name="Role of colour")
    control.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", name="leave out")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert platform.overrides[dataset] == {"colour": {"role": "leave_out"}}
    wait_for_focus(control)


@pytest.mark.long
def test_the_target_moves_and_a_refused_one_goes_back(page: Page, platform, troubles):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv())
    page.goto(f"/datasets/{dataset}")
    target = page.get_by_role("textbox", name="Column to predict")
    target.click()
    page.get_by_role("option", name="kind").click()
    expect(page.get_by_role("heading", name="kind target")).to_be_visible()
    assert platform.datasets[dataset]["target"] == "kind"
    target.click()
    page.get_by_role("option", name="age", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("distinct values")
    expect(target).to_have_value("\u2068kind\u2069 – 3 classes, 50\u202f% sure")


def test_a_data_set_in_use_is_not_deleted_and_a_free_one_is(page: Page, platform):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv())
    job = platform.add_job(dataset)
    platform.start(job)
    page.goto(f"/datasets/{dataset}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_contain_text("cancel it first")
    platform.set_state(job, "cancelled")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()
    assert platform.datasets == {}


def test_an_image_that_does_not_decode_is_words(page: Page, platform, troubles):
    platform.broken_image = "img/003.png"
    troubles.expected = ["003.png"]
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(), files=120)
    page.goto(f"/datasets/{dataset}")
    expect(page.get_by_text("not an image")).to_be_visible()


def test_the_list_is_searched_while_typing_and_paged(page: Page, platform):
    for i in range(60):
        platform.add_dataset(f"table {i:02}.csv", fake_data.sample_csv(3))
    page.goto("/datasets")
    expect(page.get_by_role("link", name="table 59.csv")).to_be_visible()
    page.get_by_role("button", name="3", exact=True).click()
    expect(page.get_by_role("link", name="table 00.csv")).to_be_visible()
    page.get_by_label("Search by name").fill("table 4")
    expect(page.get_by_role("link", name="table 49.csv")).to_be_visible()
    expect(page.get_by_role("link", name="table 00.csv")).to_be_hidden()


@pytest.mark.long
def test_a_changed_type_brings_its_role_with_it_until_a_person_chooses_one(page: Page, platform):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv())
    platform.schemas[dataset]["columns"][1] |= {
        "type": "identifier",
        "role": "leave_out",
        "role_why": "It names rows; a model would learn them by heart.",
    }
    page.goto(f"/datasets/{dataset}")
    role = page.get_by_role("textbox", name="Role of name")
    expect(page.get_by_text("by heart")).to_be_visible()

    def take_for(kind: str) -> None:
        page.get_by_role("textbox", name="Type of name").click()
        page.get_by_role("option", name=kind).click()

    take_for("text")
    expect(role).to_have_value("use as feature")
    expect(page.get_by_text("by heart")).to_be_hidden()
    take_for("identifier")
    expect(role).to_have_value("leave out")
    take_for("text")
    expect(role).to_have_value("use as feature")
    role.click()
    page.get_by_role("option", name="leave out").click()
    until(lambda: platform.overrides[dataset]["name"]["role"] == "leave_out", "the role is saved")
    take_for("categorical")
    until(lambda: platform.overrides[dataset]["name"]["type"] == "categorical", "the type is saved")
    expect(role).to_have_value("leave out")
