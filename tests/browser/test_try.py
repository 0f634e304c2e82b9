"""Trying a model: a row from a form, a whole table, what goes wrong, and coming back to an answer."""

from __future__ import annotations

import base64

import pytest
from browser import fake_data, fake_predictions
from browser.fake_api import picture
from playwright.sync_api import expect


@pytest.fixture
def job(platform):
    dataset = platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)
    job = platform.add_job(dataset, {"model": "multimodal"})
    platform.start(job)
    platform.succeed(job)
    return job


def predict(page):
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#try-state")).to_contain_text("Predicting")


def test_a_row_is_filled_in_changed_and_predicted(page, platform, job):
    page.goto(f"/jobs/{job}")
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("textbox", name="name")).to_have_value("animal 0")
    page.get_by_role("textbox", name="Filled in with").click()
    page.get_by_role("option", name="row 2").click()
    expect(page.get_by_role("textbox", name="name")).to_have_value("animal 2")
    page.get_by_role("textbox", name="description").fill("It swims.")
    page.get_by_role("textbox", name="colour").fill("")
    predict(page)
    [asked] = platform.asked
    row = asked["rows"][0]
    assert (row["description"], row["name"], row["picture"]) == ("It swims.", "animal 2", "img/002.png")
    assert "colour" not in row
    assert (asked["job_id"], asked["images"], asked["contributions"]) == (job, {}, True)
    platform.end_prediction("p1", fake_predictions.answer(), notes=["column 'colour' is missing"])
    answer = page.locator("#try-answer")
    expect(answer).to_contain_text("cat70.0")
    expect(answer).to_contain_text("+1.25")
    expect(answer).to_contain_text("column 'colour' is missing")
    expect(page.locator("#try-state")).to_be_empty()
    with page.expect_download() as download:
        answer.get_by_role("link", name="Download as CSV").click()
    assert download.value.path().read_text().startswith("row,prediction")


def test_an_image_of_ones_own_is_shown_and_sent_in_place_of_the_examples(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    page.locator(".try-image input[type=file]").set_input_files(
        {"name": "mine.webp", "mimeType": "image/webp", "buffer": picture(7)}
    )
    shown = page.locator(".try-picture")
    expect(shown).to_have_attribute("src", f"data:image/webp;base64,{base64.b64encode(picture(7)).decode()}")
    predict(page)
    [asked] = platform.asked
    [(name, sent)] = asked["images"].items()
    assert asked["rows"][0]["picture"] == name == "mine.webp"
    assert base64.b64decode(sent.partition(",")[2]) == picture(7)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ({"name": "all.zip", "mimeType": "application/zip", "buffer": b"PK"}, "“all.zip” is no image."),
        pytest.param(
            {"name": "huge.png", "mimeType": "image/png", "buffer": b"x" * (21 << 20)},
            "“huge.png” has 22.0 MB; at most 21.0 MB are sent.",
            marks=pytest.mark.long,  # to hand the browser so much takes half a minute
        ),
    ],
    ids=["zip", "huge"],
)
def test_a_file_that_cannot_be_sent_is_told_beside_its_field(page, platform, job, file, told):
    page.goto(f"/jobs/{job}/try")
    page.locator(".try-image input[type=file]").set_input_files(file)
    expect(page.locator(".try-image-field + .warn")).to_have_text(told)
    predict(page)
    assert platform.asked[0]["images"] == {}, "the example's image counts"
    expect(page.locator(".try-image-field + .warn")).to_have_text(told)
    page.locator(".try-image input[type=file]").set_input_files(
        {"name": "mine.webp", "mimeType": "image/webp", "buffer": picture(7)}
    )
    expect(page.locator(".try-image-field + .warn")).to_be_empty()


def test_an_image_that_does_not_decode_is_words(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    page.locator(".try-image input[type=file]").set_input_files(
        {"name": "torn.png", "mimeType": "image/png", "buffer": b"no image"}
    )
    expect(page.get_by_text("This file cannot be shown as an image.")).to_be_visible()
    expect(page.locator(".try-picture")).to_be_hidden()


def test_words_in_the_place_of_a_number_are_told_beside_it(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    age = page.get_by_role("textbox", name="age", exact=True)
    age.fill("banana")
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.get_by_text("“banana” is no number.")).to_be_visible()
    assert platform.asked == []
    age.fill("7")
    predict(page)
    expect(page.get_by_text("“banana” is no number.")).to_be_hidden()


def test_what_the_model_says_of_a_column_is_told_beside_its_field(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    predict(page)
    note = "column 'age': 1 of 1 values are no numbers and count as missing, e.g. '7 years'"
    platform.end_prediction("p1", fake_predictions.answer(), notes=[note])
    expect(page.locator("#try-fields").get_by_text(note)).to_be_visible()


@pytest.mark.long
def test_a_reload_shows_the_answer_again(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    predict(page)
    platform.end_prediction("p1", fake_predictions.answer())
    expect(page.locator("#try-answer")).to_contain_text("cat70.0")
    page.reload()
    expect(page.locator("#try-answer")).to_contain_text("cat70.0")


@pytest.mark.long
def test_a_table_is_uploaded_for_a_model_and_leads_back_to_it(page, platform, job, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text(fake_data.sample_csv(12))
    page.goto(f"/jobs/{job}/try")
    page.get_by_role("link", name="Upload another table").click()
    expect(page.get_by_role("link", name="Back to the model")).to_have_attribute("href", f"/jobs/{job}/try")
    page.get_by_label("Choose files").set_input_files(table)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="new.csv")).to_be_visible()
    page.get_by_role("link", name="Back to the model").click()
    expect(page.get_by_role("textbox", name="Data set")).to_have_value("new.csv (12 rows)")


def test_an_address_leads_back_to_models_alone(page, job):
    page.goto("/datasets?then=https://example.com/jobs/x/try")
    expect(page.get_by_role("heading", name="All data sets")).to_be_visible()
    expect(page.get_by_role("link", name="Back to the model")).to_be_hidden()


def test_a_whole_table_is_predicted_and_can_be_come_back_to(page, platform, job):
    page.goto(f"/jobs/{job}/try")
    page.get_by_role("button", name="Predict all rows").click()
    expect(page.get_by_text("Choose a data set first.")).to_be_visible()
    page.get_by_role("textbox", name="Data set").click()
    page.get_by_role("option", name="animals.csv").click()
    page.get_by_role("button", name="Predict all rows").click()
    expect(page.locator("#try-state")).to_contain_text("Predicting")
    assert platform.asked[-1]["dataset_id"] == platform.jobs[job]["dataset_id"]
    platform.predictions["p1"]["state"] = "waiting"
    expect(page.locator("#try-state")).to_contain_text("Waiting for the data set")
    platform.end_prediction("p1", fake_predictions.answer(30))
    expect(page.locator("#try-answer")).to_contain_text("30 rows predicted.")
    expect(page.locator("#try-answer tbody tr")).to_have_count(30)
    page.goto(f"/jobs/{job}/try")
    page.locator("#try-earlier").get_by_role("link", name="animals.csv").click()
    expect(page.locator("#try-answer")).to_contain_text("30 rows predicted.")


def test_what_goes_wrong_is_said_where_it_was_asked(page, platform, job, troubles):
    troubles.expected += ["HTTP 502", "status of 502"]
    page.goto(f"/jobs/{job}/try")
    platform.refuse_prediction = "rows.0.age: is no cell"
    page.get_by_role("button", name="Predict", exact=True).click()
    expect(page.locator("#try-error")).to_contain_text("rows.0.age: is no cell")
    platform.refuse_prediction = ""
    predict(page)
    expect(page.locator("#try-error")).to_be_empty()
    platform.down = True
    expect(page.locator("#try-state")).to_contain_text("does not answer; asking again")
    platform.end_prediction(
        "p1", reason="The model's process ended: it was killed, probably for want of memory."
    )
    platform.down = False
    expect(page.locator("#try-result")).to_contain_text("for want of memory")


@pytest.mark.long
def test_any_data_set_is_found_by_its_name(page, platform, job):
    for number in range(60):
        platform.add_dataset(f"other {number}.csv", fake_data.sample_csv(30))
    page.goto(f"/jobs/{job}/try")
    page.get_by_role("textbox", name="Data set").fill("animals")
    page.get_by_role("option", name="animals.csv").click()
    page.get_by_role("button", name="Predict all rows").click()
    expect(page.locator("#try-state")).to_contain_text("Predicting")
    assert platform.asked[-1]["dataset_id"] == platform.jobs[job]["dataset_id"]


@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_job_without_a_model_has_nothing_to_try(page, platform, state):
    dataset = platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)
    job = platform.add_job(dataset)
    platform.set_state(job, state)
    page.goto(f"/jobs/{job}")
    expect(page.get_by_role("link", name="Try it")).to_be_hidden()
    page.goto(f"/jobs/{job}/try")
    expect(page.get_by_text("There is no model yet")).to_be_visible()
    page.get_by_role("link", name="To the job").click()
    expect(page.locator("#job-page")).to_be_visible()
