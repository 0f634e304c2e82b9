from __future__ import annotations

import pytest
from browser import fake_data
from playwright.sync_api import Page, expect

LABELS = ["bird", "cat", "fish"]


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)


@pytest.fixture
def running(platform, dataset):
    job = platform.add_job(dataset)
    platform.start(job)
    return job


def wait_for_points(page: Page, key: str, series: int, count: int) -> None:
    page.locator("#page h1").wait_for()  # curves are there before Dash is
    page.wait_for_function(
        "([key, i, n]) => document.getElementById('chart-' + key)?.data?.[i].x.length === n",
        arg=[key, series, count],
    )


def wait_for_connection(page: Page, state: str) -> None:
    page.locator(f"#live-connection[data-state={state}]").wait_for()


def go_to(page: Page, step: str) -> None:
    page.get_by_role("navigation", name="Steps").get_by_role("link", name=step).click()


def test_from_a_data_set_to_a_started_job(page: Page, platform, dataset):
    page.goto(f"/datasets/{dataset}")
    page.get_by_role("link", name="Train").click()
    page.get_by_label("picture", exact=True).uncheck()
    expect(page.get_by_text("5 of 6 columns")).to_be_visible()
    page.get_by_role("textbox", name="Type of age").click()
    page.get_by_role("option", name="categorical").click()
    page.get_by_role("link", name="Next: Model").click()
    page.get_by_role("switch", name="Augment").click()
    page.get_by_role("link", name="Next: Training").click()
    page.get_by_label("Epochs").fill("3")
    page.get_by_label("Learning rate").fill("1e-4")
    page.get_by_text("Machine", exact=True).click()
    page.get_by_label("CPUs").fill("1.5")
    page.get_by_role("link", name="Back: Model").click()
    page.get_by_role("link", name="Next: Training").click()
    page.get_by_role("link", name="Next: Review").click()
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    for told in (
        "Epochs: 3",
        "Learning rate: 0.0001",
        "Augment: False",
        "CPUs: 1.5",
        "Type of age: categorical",
    ):
        expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text("no job of this model has succeeded yet")).to_be_visible()
    page.get_by_label("Name (optional)").fill("first try")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("heading", name="first try")).to_be_visible()
    (job,) = platform.jobs.values()
    settings = job["settings"]
    assert job["state"] == "queued"
    assert (settings["epochs"], settings["learning_rate"]) == (3, 1e-4)
    assert settings["resources"] == {"cpus": 1.5}
    assert settings["params"]["augment"] is False
    assert settings["feature_columns"] == ["name", "colour", "description", "kind", "age"]
    assert settings["column_types"] == {"age": "categorical"}


def test_mistakes_are_shown_beside_their_fields_and_nothing_is_lost(page: Page, platform, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#training")
    page.get_by_label("Epochs").fill("0")
    page.get_by_label("Batch size").fill("many")
    go_to(page, "Model")
    page.get_by_label("Dropout").fill("0.3")
    go_to(page, "Review")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("See the fields marked in Training.")
    expect(alert).to_be_in_viewport()
    page.get_by_role("button", name="Start training").click()
    alert.get_by_role("link", name="Training").click()
    expect(page.get_by_label("Epochs")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("This must be 1 to 10,000.")).to_be_visible()
    expect(page.get_by_text("This must be a whole number.")).to_be_visible()
    assert platform.jobs == {}
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Batch size").fill("8")
    go_to(page, "Model")
    expect(page.get_by_label("Dropout")).to_have_value("0.3")
    go_to(page, "Review")
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/job*")


def test_what_the_api_refuses_is_shown_where_it_belongs(page: Page, platform, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#model")
    page.get_by_label("Image size").fill("16")
    go_to(page, "Training")
    page.get_by_text("More settings").click()
    page.get_by_label("Seed").fill("666")
    go_to(page, "Review")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_contain_text("The training rows would hold one class only.")
    go_to(page, "Training")
    page.get_by_label("Seed").fill("1")
    platform.refuse_job = {"json": {"params": {"image_size": ["16 is too small for resnet18"]}}}
    go_to(page, "Review")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("alert").get_by_role("link", name="Model").click()
    expect(page.get_by_text("16 is too small for resnet18")).to_be_visible()
    expect(page.get_by_label("Image size")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Image size")).to_have_value("16")


def test_what_the_checks_find_is_shown_and_a_person_may_train_anyway(page: Page, platform, dataset, troubles):
    troubles.expected = ["422"]
    platform.findings = [fake_data.LEAK, fake_data.COPIES]
    page.goto(f"/jobs/new?dataset={dataset}#training")
    page.get_by_label("Epochs").fill("3")
    go_to(page, "Review")
    expect(page.get_by_text("This stops the training")).to_be_in_viewport()
    expect(page.get_by_text("For example rows 7, 12, 1043.")).to_be_visible()
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    expect(page.get_by_role("alert")).to_contain_text("'legs' gives the target away")
    assert platform.jobs == {}
    page.get_by_role("button", name="Train anyway").click()
    page.wait_for_url("**/jobs/job*")
    expect(page.get_by_text("Started in spite of this")).to_be_visible()
    expect(page.get_by_text("repeat all features of another row")).to_be_visible()
    (job,) = platform.jobs.values()
    assert (job["state"], job["settings"]["epochs"]) == ("queued", 3)
    assert [one["ignored"] for one in job["findings"]] == [True, False]


def test_a_column_that_stops_the_training_is_left_out_from_the_review(page: Page, platform, dataset):
    platform.findings = [fake_data.LEAK | {"columns": ["colour"]}]
    page.goto(f"/jobs/new?dataset={dataset}#review")
    leave_out = page.get_by_role("button", name="Leave colour out")
    expect(leave_out).to_be_visible()  # until then the check may be on its way
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    platform.findings = []
    leave_out.click()
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/job*")
    (job,) = platform.jobs.values()
    assert "colour" not in job["settings"]["feature_columns"]


@pytest.mark.long
def test_what_was_found_after_the_check_stops_the_start(page: Page, platform, dataset, troubles):
    troubles.expected = ["422"]
    page.goto(f"/jobs/new?dataset={dataset}#review")
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    platform.findings = [fake_data.LEAK]
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("alert")).to_contain_text("The job was not started")
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    expect(page.get_by_role("button", name="Train anyway")).to_be_visible()


@pytest.mark.long
def test_a_name_that_is_refused_is_told_beside_it_and_once(page: Page, platform, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#review")
    expect(page.get_by_text("Nothing stops this training")).to_be_visible()
    named = page.get_by_label("Name (optional)")
    named.fill("x" * 400)
    expect(named).to_have_value("x" * 300)
    platform.refuse_job = {"json": {"name": ["Longer than maximum length 300."]}}
    page.get_by_role("button", name="Start training").click()
    expect(named).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Longer than maximum length 300.")).to_have_count(1)


@pytest.mark.long
def test_looking_at_another_model_keeps_what_was_typed(page: Page, dataset):
    page.goto(f"/jobs/new?dataset={dataset}#model")
    page.get_by_label("Dropout").fill("0.4")
    page.get_by_role("radio", name="Class frequencies").click()
    expect(page.get_by_label("Seconds per epoch")).to_be_visible()
    expect(page.get_by_label("Dropout")).to_be_hidden()
    page.get_by_role("radio", name="Multimodal").click()
    expect(page.get_by_label("Dropout")).to_have_value("0.4")


def test_a_job_is_made_again_with_the_same_settings_but_one(page: Page, platform, dataset):
    body = {
        "model": "multimodal",
        "target": "kind",
        "epochs": 7,
        "seed": 3,
        "params": {"dropout": 0.45, "augment": False},
        "feature_columns": ["colour", "age"],
        "column_types": {"age": "categorical"},
        "resources": {"cpus": 2.0, "memory_mb": 4096, "max_seconds": 86_400},  # as the platform gave them
        "name": "one like no other",
    }
    former = platform.add_job(dataset, body)
    page.goto(f"/jobs/{former}")
    page.get_by_role("link", name="New job like this").click()
    expect(page.get_by_text("2 of 6 columns")).to_be_visible()
    go_to(page, "Training")
    page.get_by_label("Epochs").fill("9")
    go_to(page, "Review")
    expect(page.get_by_text("Epochs: 9")).to_be_visible()
    expect(page.get_by_text("Memory")).to_be_hidden()
    expect(page.get_by_label("Name (optional)")).to_have_value("one like no other, again")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/jobs/job*")
    expect(page.get_by_role("link", name="New job like this")).to_be_visible()
    again = next(job for key, job in platform.jobs.items() if key != former)
    assert again["target"] == "kind"
    assert {key: again["settings"][key] for key in ("epochs", "seed", "feature_columns", "column_types")} == {
        **{key: body[key] for key in ("seed", "feature_columns", "column_types")},
        "epochs": 9,
    }
    assert {key: again["settings"]["params"][key] for key in ("dropout", "augment")} == body["params"]


def test_history_is_drawn_and_new_points_are_added(page: Page, platform, running):
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:18])  # three epochs
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 9)
    wait_for_points(page, "macro_f1", 1, 3)
    platform.emit(running, *items[18:30])
    wait_for_points(page, "loss", 0, 15)
    wait_for_points(page, "accuracy", 1, 5)
    expect(page.get_by_text("Best validation pass, epoch 5")).to_be_visible()
    wait_for_connection(page, "live")


def test_a_job_without_points_says_why_and_its_charts_come_with_them(page: Page, platform, dataset):
    page.set_viewport_size({"width": 390, "height": 800})
    job = platform.add_job(dataset)
    platform.set_state(job, "queued")
    page.goto(f"/jobs/{job}")
    wait_for_connection(page, "live")
    why = page.locator("#live-no-curves")
    shown = page.locator(".chart:visible")
    expect(why).to_contain_text("waits for a free place")
    expect(shown).to_have_count(0)
    platform.start(job)
    items = fake_data.training_items(10, LABELS)
    platform.emit(job, items[5])  # what the machine does is told before the training begins
    expect(why).to_contain_text("has not come to its first step")
    expect(shown).to_have_count(1)
    platform.emit(job, *items[6:12])
    wait_for_points(page, "loss", 0, 3)
    expect(shown).to_have_count(5)
    expect(why).to_be_hidden()
    page.wait_for_function(
        """() => Array.from(document.querySelectorAll(".chart")).every((chart) => {
          const drawn = chart.querySelector(".main-svg");
          return drawn && Math.abs(drawn.getBoundingClientRect().width - chart.clientWidth) <= 1;
        })"""
    )


@pytest.mark.long
def test_training_is_drawn_as_measured_and_as_a_running_mean(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 2, 30)
    measured, mean = page.evaluate("[0, 2].map((i) => document.getElementById('chart-loss').data[i].y)")
    assert mean[0] == pytest.approx(measured[0])
    assert mean[1] == pytest.approx((0.9 * measured[0] + measured[1]) / 1.9)
    wait_for_points(page, "learning_rate", 0, 30)
    wait_for_points(page, "machine", 1, 10)


@pytest.mark.long
def test_the_best_epoch_is_marked_and_moves(page: Page, platform, running):
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:12])
    page.goto(f"/jobs/{running}")
    marked = "(epoch) => document.getElementById('chart-accuracy')?.layout?.shapes?.[0]?.x0 === epoch"
    page.wait_for_function(marked, arg=2)
    platform.emit(running, *items[12:18])
    page.wait_for_function(marked, arg=3)


@pytest.mark.long
def test_a_scale_is_made_logarithmic_and_back_and_points_go_on(page: Page, platform, running):
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:30])
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 15)
    log = page.get_by_role("button", name="Loss on a logarithmic scale")
    log.click()
    scale = "(kind) => document.getElementById('chart-loss').layout.yaxis.type === kind"
    page.wait_for_function(scale, arg="log")
    platform.emit(running, *items[30:])
    wait_for_points(page, "loss", 0, 30)
    log.press("Enter")
    page.wait_for_function(scale, arg="linear")


@pytest.mark.long
def test_what_is_under_the_pointer_is_shown_in_every_chart_over_epochs(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "macro_f1", 1, 10)
    plot = page.locator("#chart-loss .nsewdrag").first
    plot.hover()
    shown = page.locator("#chart-accuracy .hoverlayer .legend, #chart-accuracy .hoverlayer .hovertext").first
    expect(shown).to_be_visible()
    expect(page.locator("#chart-machine .hoverlayer .hovertext")).to_have_count(0)


@pytest.mark.long
def test_the_matrix_is_written_in_counts_or_in_shares(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    cells = page.locator("#live-matrix .heatmap-label text")
    expect(cells.first).to_have_text("18")
    page.get_by_role("button", name="shares").click()
    expect(cells.first).to_have_text("90\u202f%")
    page.get_by_role("button", name="shares").click()
    expect(cells.first).to_have_text("18")


def test_a_long_past_comes_thinned_and_a_zoom_brings_its_points(page: Page, platform, running):
    platform.thinned = 5
    items = fake_data.training_items(40, LABELS)
    platform.emit(running, *items)
    page.goto(f"/jobs/{running}")
    page.wait_for_function("() => document.getElementById('chart-loss')?.data?.[0].x.length > 0")
    coarse = page.evaluate("document.getElementById('chart-loss').data[0].x")
    assert len(coarse) < 60, "of 120"
    page.evaluate("Plotly.relayout('chart-loss', {'xaxis.range': [10, 20]})")
    inside = "document.getElementById('chart-loss').data[0].x.filter((x) => x >= 10 && x <= 20)"
    page.wait_for_function(f"() => {inside}.length === 31")
    epochs = page.evaluate("document.getElementById('chart-loss').data[0].x")
    assert epochs == sorted(epochs)
    assert len([x for x in epochs if not 10 <= x <= 20]) == len([x for x in coarse if not 10 <= x <= 20])
    platform.emit(running, *fake_data.training_items(41, LABELS)[-6:])
    page.wait_for_function(
        "(n) => document.getElementById('chart-loss').data[0].x.length === n", arg=len(epochs) + 3
    )


def test_a_zoom_stays_while_points_arrive(page: Page, platform, running):
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:30])
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 15)
    page.evaluate("Plotly.relayout('chart-loss', {'xaxis.range': [1, 2]})")
    platform.emit(running, *items[30:])
    wait_for_points(page, "loss", 0, 30)
    assert page.evaluate("document.getElementById('chart-loss').layout.xaxis.range") == [1, 2]


def test_a_broken_connection_is_shown_and_mended_without_gap_or_double(page: Page, platform, running):
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:30])
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 15)
    platform.drop_connections()
    platform.emit(running, *items[30:])
    wait_for_points(page, "loss", 0, 30)
    wait_for_connection(page, "live")
    steps = page.evaluate("document.getElementById('chart-loss').data[0].x")
    assert steps == sorted(set(steps))


def test_a_platform_that_is_away_is_waited_for(page: Page, platform, running, troubles):
    troubles.expected = ["502", "ERR_"]
    items = fake_data.training_items(10, LABELS)
    platform.emit(running, *items[:30])
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 15)
    wait_for_connection(page, "live")
    platform.down = True
    platform.drop_connections()
    wait_for_connection(page, "reconnecting")
    platform.down = False
    platform.emit(running, *items[30:])
    wait_for_points(page, "loss", 0, 30)


def test_heartbeats_move_the_bar(page: Page, platform, running):
    page.goto(f"/jobs/{running}")
    platform.beat(running, "training", 0.4, 125, "epoch 4 of 10")
    expect(page.locator("#live-phase")).to_have_text("Training")
    expect(page.get_by_text("about 2 min 5 s left")).to_be_visible()
    expect(page.get_by_text("epoch 4 of 10", exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar", name="Progress of the phase")).to_have_attribute(
        "aria-valuenow", "40"
    )


def test_the_end_brings_figures_report_and_artifacts_without_a_reload(page: Page, platform, running):
    page.goto(f"/jobs/{running}")
    wait_for_connection(page, "live")
    platform.succeed(running)
    expect(page.locator("#job-state").get_by_text("succeeded")).to_be_visible()
    expect(page.get_by_text("57.7 points above")).to_be_visible()
    expect(page.get_by_role("row", name="bird 95.0")).to_be_visible()
    wait_for_connection(page, "ended")
    expect(page.get_by_role("button", name="Cancel job")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="model_card.md").click()
    assert download.value.suggested_filename == "model_card.md"


@pytest.mark.long
def test_the_mistakes_of_a_pair_are_chosen_from_a_list_or_in_the_matrix(page: Page, platform, running):
    platform.succeed(running)
    page.goto(f"/jobs/{running}")
    rows = page.get_by_role("region", name="Most confident mistakes").locator("tbody tr:visible")
    expect(rows).to_have_count(9)
    page.get_by_label("Show").select_option(label="cat taken for fish: 4 rows")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("cat")
    expect(page.get_by_text("surest of these 3 of 4 rows")).to_be_visible()
    page.wait_for_function("() => document.getElementById('live-matrix')?.data")
    plot = page.locator("#live-matrix .nsewdrag").first
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] / 2, "y": box["height"] / 6})
    expect(page.get_by_label("Show").locator("option:checked")).to_have_text("bird taken for cat: 4 rows")
    expect(rows.first).to_contain_text("bird")
    plot.click(position={"x": box["width"] / 6, "y": box["height"] / 6})
    expect(page.get_by_text("Those rows are right.")).to_be_visible()
    expect(rows).to_have_count(9)


def test_the_matrix_of_an_ended_job_is_the_reports(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    expect(page.get_by_text("Best validation pass, epoch 10")).to_be_visible()
    drawn = "() => document.getElementById('live-matrix').triptychData.matrix"
    assert page.evaluate(drawn) == [[18, 1, 1], [1, 18, 1], [1, 1, 18]]
    platform.set_state(running, "succeeded", None, {"accuracy": 0.9})
    reported = [[18, 4, 0], [0, 18, 4], [4, 0, 18]]
    expect(page.get_by_text("The final model on the validation rows, as in the report.")).to_be_visible()
    assert page.evaluate(drawn) == reported
    page.reload()
    expect(page.get_by_text("The final model on the validation rows, as in the report.")).to_be_visible()
    assert page.evaluate(drawn) == reported
    plot = page.locator("#live-matrix .nsewdrag").first
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * 5 / 6, "y": box["height"] / 6})
    expect(page.get_by_text("No row is there.")).to_be_visible()


def test_the_report_shows_pictures_of_mistakes_and_folds_long_rows(page: Page, platform, running):
    platform.start(running)
    platform.succeed(running)
    page.goto(f"/jobs/{running}")
    mistakes = page.get_by_role("region", name="Most confident mistakes")
    expect(mistakes.locator("img.thumbnail").first).to_have_js_property("naturalWidth", 96)
    expect(mistakes.get_by_text("measure 7")).to_be_hidden()
    mistakes.get_by_text("5 values more").click()
    expect(mistakes.get_by_text("measure 7")).to_be_visible()
    expect(page.get_by_role("img", name="After: share right over probability")).to_be_visible()


def test_what_the_trainer_uses_is_told(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(1, LABELS))
    page.goto(f"/jobs/{running}")
    expect(page.locator("#live-system")).to_have_text(
        "CPU 150 % (75 % of its limit) · memory 642 MB (31 % of its limit) · GPU 57 %, 2.1 GB"
    )


@pytest.mark.long
def test_the_matrix_makes_room_for_the_report(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(3, LABELS))
    page.goto(f"/jobs/{running}")
    expect(page.get_by_text("Best validation pass, epoch 3")).to_be_visible()
    alone = page.locator("#live-matrix .main-svg").first.bounding_box()
    platform.set_state(running, "succeeded", None, {"accuracy": 0.9})
    expect(page.get_by_role("row", name="bird 95.0")).to_be_visible()
    page.wait_for_function(
        """() => document.querySelector('#live-matrix .main-svg').getBoundingClientRect().right
                 <= document.querySelector('#live-matrix').getBoundingClientRect().right + 1"""
    )
    assert page.locator("#live-matrix .main-svg").first.bounding_box()["width"] < alone["width"]


def test_a_job_is_cancelled_and_retried_live(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS)[:30])
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 15)
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator("#job-state").get_by_text("cancelled by a person")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("attempt 2 of 4", exact=True)).to_be_visible()
    expect(page.locator(".chart:visible")).to_have_count(0)
    platform.set_state(running, "running")
    platform.emit(running, *fake_data.training_items(10, LABELS)[:6])
    wait_for_points(page, "loss", 0, 3)  # the first attempt's points are gone
    expect(page.get_by_role("button", name="Cancel job")).to_be_visible()


def test_a_failed_job_shows_its_reason(page: Page, platform, running):
    page.goto(f"/jobs/{running}")
    platform.set_state(running, "failed", "exit 137: out of memory at 4 GB; try 8 GB")
    expect(
        page.locator("#job-state").get_by_text("exit 137: out of memory at 4 GB; try 8 GB")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_text("It ended before a validation pass did.")).to_be_visible()


@pytest.mark.long
def test_a_job_that_had_failed_has_no_matrix_to_wait_for(page: Page, platform, running):
    platform.set_state(running, "failed", "exit 1")
    page.goto(f"/jobs/{running}")
    expect(page.locator("#live-connection")).to_have_text("ended")
    expect(page.get_by_text("It ended before a validation pass did.")).to_be_visible()


# The page looks at its log now and then, should nothing be told: never in these tests
ONLY_WHEN_TOLD = """const plain = window.setTimeout;
    window.setTimeout = (then, ms, ...rest) => (ms >= 5000 ? 0 : plain(then, ms, ...rest));"""


def test_the_log_is_shown_and_grows_when_the_stream_says_so(page: Page, platform, running):
    page.add_init_script(ONLY_WHEN_TOLD)
    page.goto(f"/jobs/{running}")
    log = page.get_by_role("log")
    expect(log).to_contain_text("INFO trainer epoch 0 of 20")
    wait_for_connection(page, "live")
    for line in ("first", "second"):
        platform.print(running, f"the {line} line")
        expect(log).to_contain_text(f"the {line} line")


def test_what_the_log_got_while_the_stream_was_away_is_asked_for(page: Page, platform, running, troubles):
    troubles.expected = ["ERR_INCOMPLETE_CHUNKED_ENCODING", "502"]
    page.add_init_script(ONLY_WHEN_TOLD)
    page.goto(f"/jobs/{running}")
    log = page.get_by_role("log")
    expect(log).to_contain_text("INFO trainer epoch 0 of 20")
    wait_for_connection(page, "live")
    platform.metrics_down = True
    platform.cut_streams += 1
    wait_for_connection(page, "reconnecting")
    platform.wait_until_no_stream(running)
    platform.print(running, "printed meanwhile")
    platform.metrics_down = False
    expect(log).to_contain_text("printed meanwhile")


@pytest.mark.long  # it waits for the next look, 5 s
def test_without_the_stream_the_log_is_looked_at_now_and_then(page: Page, platform, running, troubles):
    troubles.expected = ["502"]
    platform.metrics_down = True
    page.goto(f"/jobs/{running}")
    expect(page.get_by_role("log")).to_contain_text("INFO trainer epoch 0 of 20")
    wait_for_connection(page, "reconnecting")
    platform.print(running, "printed meanwhile")
    expect(page.get_by_role("log")).to_contain_text("printed meanwhile")


def test_lines_that_come_after_the_end_are_shown(page: Page, platform, running):
    page.goto(f"/jobs/{running}")
    platform.set_state(running, "failed", "exit 1")
    expect(page.locator("#live-connection")).to_have_text("ended")
    expect(page.locator("#live-log-note")).to_contain_text("lines from local")
    platform.print(running, "a traceback, delivered late")
    expect(page.get_by_role("log")).to_contain_text("a traceback, delivered late")


def test_leaving_the_page_closes_its_stream(page: Page, platform, running):
    page.goto(f"/jobs/{running}")
    wait_for_connection(page, "live")
    page.get_by_role("link", name="Data sets", exact=True).click()
    expect(page.get_by_role("heading", name="Data sets", exact=True)).to_be_visible()
    platform.wait_until_no_stream(running)


def test_a_page_in_the_background_leaves_connections_to_others_and_catches_up(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => !window.inFront })")
    page.goto(f"/jobs/{running}")
    wait_for_connection(page, "paused")
    wait_for_points(page, "loss", 0, 30)
    platform.wait_until_no_stream(running)
    values = {"loss": 1.5, "accuracy": 0.5}
    point = {"split": "train", "step": 9999, "epoch": 20.0, "values": values}
    platform.emit(running, {"kind": "point", "data": point})
    page.evaluate("window.inFront = true; document.dispatchEvent(new Event('visibilitychange'))")
    wait_for_connection(page, "live")
    wait_for_points(page, "loss", 0, 31)


@pytest.mark.long
def test_from_one_job_to_another_nothing_is_left_over(page: Page, platform, dataset, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    other = platform.add_job(dataset, {"model": "multimodal", "name": "the other"})
    page.goto(f"/jobs/{other}")
    wait_for_connection(page, "live")
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 30)
    page.go_back()
    expect(page.get_by_role("heading", name="the other")).to_be_visible()
    wait_for_connection(page, "live")
    expect(page.get_by_text("The job has not been started.")).to_be_visible()
    assert page.locator(".js-plotly-plot").count() == 0


@pytest.mark.long
def test_a_new_point_is_drawn_at_once_and_given_to_plotly_later(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 30)
    wait_for_connection(page, "live")
    page.evaluate(
        """() => {
          const chart = document.getElementById("chart-loss");
          window.tails = 0;
          new MutationObserver(() => { window.tails += chart.querySelectorAll("path.tail").length; })
            .observe(chart, { childList: true, subtree: true });
          return Plotly.relayout(chart, { "xaxis.range": [0, 50], "yaxis.range": [0, 9] });
        }"""
    )
    values = {"loss": 1.5, "accuracy": 0.5}
    point = {"split": "train", "step": 9999, "epoch": 20.0, "values": values}
    platform.emit(running, {"kind": "point", "data": point})
    page.wait_for_function("window.tails > 0")
    wait_for_points(page, "loss", 0, 31)
    expect(page.locator("#chart-loss path.tail")).to_have_count(0)


@pytest.mark.long
def test_a_point_beyond_the_axes_is_left_to_plotly(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    page.goto(f"/jobs/{running}")
    wait_for_points(page, "loss", 0, 30)
    draw = """([x, y]) => triptych.drawTail(document.getElementById("chart-loss"), { x: { 0: [x] }, y: { 0: [y] } })"""
    middle = page.evaluate("[0, 1].map((i) => document.getElementById('chart-loss').data[0]['xy'[i]][15])")
    assert page.evaluate(draw, middle)
    expect(page.locator("#chart-loss path.tail")).to_have_count(1)
    for far in ([1000, middle[1]], [middle[0], 1000]):
        assert not page.evaluate(draw, far)
    expect(page.locator("#chart-loss path.tail")).to_have_count(0)


def test_lists_follow_jobs(page: Page, platform, running):
    page.goto("/")
    platform.beat(running, "training", 0.5, 60, "epoch 5 of 10")
    expect(page.get_by_text("training 50 %, about 1 min left · epoch 5 of 10")).to_be_visible()
    platform.succeed(running)
    expect(page.get_by_text("Nothing runs.")).to_be_visible()
    expect(page.get_by_text("91.7\u202f%")).to_be_visible()


@pytest.mark.long
def test_lists_leave_the_past_of_a_job_alone(page: Page, platform, running):
    platform.emit(running, *fake_data.training_items(10, LABELS))
    platform.beat(running, "training", 0.5, 60, "epoch 5 of 10")
    page.goto("/")
    expect(page.get_by_text("training 50 %")).to_be_visible()  # told behind the past, where that is told
    assert platform.told[running] == 0
    platform.set_state(running, "failed", "exit 137: out of memory")
    expect(page.get_by_text("exit 137: out of memory")).to_be_visible()


def test_jobs_can_be_filtered_by_state(page: Page, platform, dataset, running):
    platform.add_job(dataset, {"model": "dummy_model", "name": "never started"})
    page.goto("/jobs")
    expect(page.get_by_role("link", name="never started")).to_be_visible()
    page.get_by_role("textbox", name="State").click()
    page.get_by_role("option", name="running").click()
    expect(page.get_by_role("link", name="never started")).to_be_hidden()
    expect(page.get_by_role("link", name="animals.csv · multimodal")).to_be_visible()
