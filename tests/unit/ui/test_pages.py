"""Every page over the fake API, without a browser: what is on it, and what it says when something is wrong."""

from __future__ import annotations

import json
import re

import plotly.utils
import pytest
from browser import fake_data
from browser.one_origin import furnish

from ui import routing
from ui.app import create_app
from ui.pages import classes, dataset_findings, job
from ui.settings import UiSettings


@pytest.fixture
def see(api):
    def show(path, search=""):
        children, title = routing.show(api, path, search)
        return json.dumps(children, cls=plotly.utils.PlotlyJSONEncoder, ensure_ascii=False), title

    show.api = api
    return show


def words(node):
    """What is read of a node, without tooltips and attributes."""
    if isinstance(node, str):
        return node
    if isinstance(node, list | tuple):
        return "".join(map(words, node))
    return words(getattr(node, "children", None) or "") if node is not None else ""


def test_an_empty_platform_says_what_to_do_first(see):
    page, title = see("/")
    assert title == "Home"
    assert "/datasets" in page
    assert "make demo" in page


def test_home_shows_what_runs_and_what_ended(platform, see):
    made = furnish(platform)
    page, _ = see("/")
    for shown in (
        "Running now",
        f"/jobs/{made['running']}",
        "Ended last",
        f"/jobs/{made['failed']}",
        "out of memory",
    ):
        assert shown in page


def test_with_data_and_no_job_home_leads_to_the_first_job(platform, see):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    page, _ = see("/")
    assert f"/jobs/new?dataset={dataset}" in page


def test_data_sets_can_be_searched_by_address(platform, see):
    furnish(platform)
    page, _ = see("/datasets", "?search=plants")
    assert "plants.csv" in page
    assert "animals.csv" not in page


def test_of_many_data_sets_and_jobs_a_page_has_a_part(platform, see):
    done = furnish(platform)["done"]
    for i in range(150):
        dataset = platform.add_dataset(f"many {i:03}.csv", "a,b\n1,2\n")
        platform.add_job(dataset, {"model": "multimodal", "name": f"try {i:03}"})
    most = {
        "/": 5,
        "/datasets": 25,
        "/jobs": 25,
        "/jobs/new": 25,
        "/jobs/compare": 50,
        f"/jobs/{done}/try": 50,
    }
    for path, expected in most.items():
        page, _ = see(path)
        shown = len(set(re.findall(r"many \d{3}\.csv", page)))
        assert (path, shown) == (path, expected)


def test_a_list_says_in_words_what_is_done_with_an_upload(platform, see):
    furnish(platform)
    page, _ = see("/datasets")
    assert "reading rows, storing files" in page


def test_a_search_without_a_hit_says_so(platform, see):
    furnish(platform)
    page, _ = see("/datasets", "?search=zebra")
    assert "No name holds “zebra”" in page


def test_a_data_set_shows_verdicts_reasons_and_findings(platform, see):
    page, _ = see(f"/datasets/{furnish(platform)['animals']}")
    for shown in (
        "4 uploaded images are named by no row",
        "3 classes, 90",
        "118 rows with an image",
        "Found although it differs: upper and lower case (3)",
        "about 3",
        "14 of 120 rows missing",
        "thumbnail",
    ):
        assert shown in page


def test_a_data_set_without_rows_says_so_alone_and_is_not_trained_on(platform, see):
    dataset = platform.add_dataset("empty.csv", "a,b\n")
    platform.schemas[dataset]["findings"] = [
        {
            "level": "error",
            "code": "no-rows",
            "message": "The table has a header but no row.",
            "column": None,
        },
        {"level": "info", "code": "constant", "message": "'a': It holds no value.", "column": "a"},
    ]
    page, _ = see(f"/datasets/{dataset}")
    assert "This data set has no rows" in page
    assert '"disabled": true' in page
    assert f"/jobs/new?dataset={dataset}" not in page
    assert "It holds no value" not in page
    for path, search in (("/datasets", ""), ("/jobs/new", "")):
        page, _ = see(path, search)
        assert f"/jobs/new?dataset={dataset}" not in page
    assert "no rows" in see("/datasets")[0]
    assert "This data set has no rows" in see("/jobs/new", f"?dataset={dataset}")[0]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("'age': It holds one value.", "age: It holds one value."),
        ("'age' has no value in 90 % of the rows.", "'age' has no value in 90 % of the rows."),
        ("It holds one value.", "age: It holds one value."),
    ],
)
def test_a_finding_names_its_column_once(platform, see, message, told):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.schemas[dataset]["findings"] = [
        {"level": "warning", "code": "constant", "message": message, "column": "age"}
    ]
    assert words(dataset_findings.findings(see.api.schema(dataset))) == f"Worth a look{told}"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a.png"], "1 uploaded file is named by no row: a.png."),
        (["a.png", "b.png"], "2 uploaded files are named by no row: a.png, b.png."),
        (
            [f"{i}.png" for i in range(20)],
            "500 uploaded files are named by no row: "
            + ", ".join(f"{i}.png" for i in range(10))
            + " and 490 others.",
        ),
    ],
)
def test_files_that_no_row_names_are_listed(platform, see, files, told):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.schemas[dataset] |= {
        "unused_files": 500 if len(files) > 2 else len(files),
        "unused_file_examples": files,
        "findings": [
            {"level": "info", "code": "unused-files", "message": "1 uploaded files.", "column": None}
        ],
    }
    assert words(dataset_findings.findings(see.api.schema(dataset))).endswith(told)


def test_the_classes_of_a_target_are_counted_and_small_ones_named(platform, see):
    kinds = ["cat"] * 60 + ["dog"] * 30 + ["eel"] * 3 + ["fox"]
    rows = "".join(f"{i / 7},{kind}\n" for i, kind in enumerate(kinds))
    dataset = platform.add_dataset("a.csv", f"size,kind\n{rows}")
    told = words(classes.balance(see.api.schema(dataset), "kind"))
    for part in (
        "4 classes in 94 rows",
        "cat60 (64",
        "fox has a single row: trained on and never validated.",
        "eel has 2 to 4 rows: too few to be judged by.",
    ):
        assert part in told
    for page in (f"/datasets/{dataset}", ""):
        shown, _ = see(page or "/jobs/new", "" if page else f"?dataset={dataset}")
        assert "4 classes in 94" in shown


def test_many_classes_are_folded_and_counted(platform, see):
    rows = "".join(f"{i / 7},class {i % 60}\n" for i in range(600))
    schema = see.api.schema(platform.add_dataset("a.csv", f"size,kind\n{rows}"))
    told = words(classes.balance(schema, "kind"))
    assert "60 classes in 600" in told
    assert "38 smaller classes" in told
    assert "and 10 classes with no more rows than these" in told
    assert classes.balance(schema, None) is None


def test_dates_are_told_in_words(platform, see):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.schemas[dataset]["columns"][6] |= {
        "type": "datetime",
        "datetime_format": "%Y-%m-%d",
        "why": "100 % of its values are dates written as %Y-%m-%d.",
    }
    page, _ = see(f"/datasets/{dataset}")
    assert "dates written as year-month-day, like 2026-03-25." in page
    assert "%Y" not in page


def test_a_changed_type_does_not_keep_the_reasons_of_the_old_one(platform, see):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.schemas[dataset]["columns"][1] |= {
        "type": "identifier",
        "role": "leave_out",
        "role_why": "It names rows; a model would learn them by heart.",
    }
    assert "by heart" in see(f"/datasets/{dataset}")[0]
    platform.overrides[dataset]["name"] = {"type": "text", "role": "feature"}
    page, _ = see(f"/datasets/{dataset}")
    assert "by heart" not in page
    assert "Was taken for identifier: " in page


def test_a_data_set_still_staged_shows_how_far_it_is(platform, see):
    page, _ = see(f"/datasets/{furnish(platform)['uploading']}")
    assert "Storing files: 15.0 MB of 45.0 MB" in page
    assert "Reading every row" in page


def test_a_rejected_data_set_says_why(platform, see):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.datasets[dataset] |= {
        "state": "rejected",
        "schema_state": "failed",
        "reason": "Line 7 is longer than 1 MB.",
    }
    page, _ = see(f"/datasets/{dataset}")
    assert "Line 7 is longer than 1 MB." in page


def test_a_table_of_many_columns_shows_a_page_of_them(platform, see):
    header = ",".join(f"c{i}" for i in range(100))
    dataset = platform.add_dataset("wide.csv", header + "\n" + ",".join("1" for _ in range(100)) + "\n")
    page, _ = see(f"/datasets/{dataset}")
    assert page.count('"column-type"') == 30


def test_a_new_job_asks_for_a_data_set_first(platform, see):
    made = furnish(platform)
    page, _ = see("/jobs/new")
    assert f"/jobs/new?dataset={made['animals']}" in page


def test_a_new_job_has_the_settings_of_every_model(platform, see):
    page, _ = see("/jobs/new", f"?dataset={furnish(platform)['animals']}")
    for shown in (
        "Epochs",
        "Learning rate",
        "Backbone",
        "Seconds per epoch",
        "Side of an image, pixels; 16 to 512",
        "Validation interval",
        "elsewhere called eval_steps",
        "no limit",
    ):
        assert shown in page


def test_an_ended_job_shows_figures_report_and_artifacts(platform, see):
    page, _ = see(f"/jobs/{furnish(platform)['done']}")
    for shown in (
        "91.7\u202f%",
        "Always the most frequent class",
        "57.7 points above",
        "model.safetensors",
        "Precision",
    ):
        assert shown in page


def test_a_report_shows_what_was_found_out_about_its_model(platform, see):
    made = furnish(platform)
    page, _ = see(f"/jobs/{made['done']}")
    for shown in (
        "Against simple models",
        "Linear model without images",
        "31.0 ± 2.0",
        "−1.0 ± 2.0",
        "0.360 ± 0.030",
        "Before: share right over probability, calibration error 14.8",
        "a temperature of 0.48, fitted on 60 validation rows",
        "9 validation rows predicted wrong",
        f"/api/datasets/{made['animals']}/files/img/000.png?size=96",
        "5 values more",
    ):
        assert shown in page


@pytest.fixture
def see_report(platform, see):
    """Show the page of a job that left a report, made from one with everything in it."""
    made = furnish(platform)["done"]

    def show(change):
        platform.reports[made] = change(fake_data.report(platform.jobs[made], ["bird", "cat", "fish"]))
        return see(f"/jobs/{made}")[0]

    return show


def test_a_report_whose_parts_failed_shows_the_others(see_report):
    lost = {"calibration": None, "contributions": None, "mistakes": None, "baselines": []}
    page = see_report(lambda report: report | lost)
    assert "By class" in page
    for absent in ("What it goes by", "believed", "mistakes", "Against simple models"):
        assert absent not in page


def test_unscaled_probabilities_say_why(see_report):
    few = {"applied": False, "temperature": 1, "why": "12 validation rows are too few", "after": None}
    page = see_report(lambda report: report | {"calibration": report["calibration"] | few})
    assert "Probabilities are not scaled: 12 validation rows are too few." in page
    assert "After: share right" not in page


def test_a_report_of_version_1_is_shown_as_far_as_it_goes(see_report):
    page = see_report(lambda _: json.loads((fake_data.EXAMPLES / "report.1.json").read_text()))
    assert "By class" in page
    assert "18 rows have no image in 'picture'" in page
    assert "What it goes by" not in page


def test_a_report_of_a_later_version_is_left_to_be_downloaded(see_report):
    page = see_report(lambda report: report | {"version": 3})
    assert "It is of version 3; this page reads versions 1 and 2. Download it below." in page
    assert "model.safetensors" in page


def test_a_job_no_better_than_the_most_frequent_class_says_so(platform, see):
    job_id = platform.add_job(platform.add_dataset("a.csv", fake_data.sample_csv(9)))
    platform.succeed(job_id)
    platform.jobs[job_id]["metrics"] = {"accuracy": 0.34, "majority_rate": 0.34}
    page, _ = see(f"/jobs/{job_id}")
    assert "Not better than guessing" in page


def test_the_page_survives_a_report_it_cannot_have(platform, see):
    job_id = platform.add_job(platform.add_dataset("a.csv", fake_data.sample_csv(9)))
    platform.set_state(job_id, "failed", "exit 1: the target column is empty")
    page, _ = see(f"/jobs/{job_id}")
    assert "exit 1: the target column is empty" in page


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("created", {"start"}),
        ("queued", {"cancel"}),
        ("running", {"cancel"}),
        ("succeeded", {"try"}),
        ("failed", {"retry"}),
        ("cancelled", {"retry"}),
        ("timed_out", {"retry"}),
    ],
)
def test_only_actions_that_make_sense_are_offered(state, buttons):
    assert {action for action, shown in job.visible_actions(state).items() if shown} == buttons


@pytest.mark.parametrize("path", ["/datasets/nope", "/jobs/nope"])
def test_what_does_not_exist_says_so_and_leads_back(see, path):
    page, _ = see(path)
    assert "Not found" in page
    assert f'"href": "/{path.split("/")[1]}"' in page


def test_an_address_without_a_page_leads_home(see):
    page, title = see("/datasets/a/b")
    assert title == "Not found"
    assert '"href": "/"' in page


@pytest.mark.parametrize("path", ["/", "/datasets", "/datasets/ds1", "/jobs", "/jobs/new", "/jobs/job1"])
def test_without_the_api_every_page_offers_to_try_again(platform, see, path):
    platform.down = True
    page, _ = see(path)
    assert "The platform does not answer" in page
    assert "Try again" in page


def test_a_defect_of_a_page_is_told_and_logged(platform, see, caplog):
    dataset = platform.add_dataset("a.csv", fake_data.sample_csv(9))
    platform.schemas[dataset]["columns"][0].pop("why")
    page, _ = see(f"/datasets/{dataset}")
    assert "This page has a defect" in page
    assert "KeyError" in caplog.text


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/", "/"),
        ("/datasets", "/datasets"),
        ("/datasets/x", "/datasets"),
        ("/jobs/new", "/jobs"),
        ("/datasetsx", ""),
    ],
)
def test_the_navigation_marks_where_one_is(path, entry):
    assert routing.section(path) == entry


def test_probes_tell_the_process_from_the_api():
    client = create_app(UiSettings(api_base="http://127.0.0.1:9", api_timeout_seconds=1)).server.test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json["checks"] == {"api": "does not answer"}


def test_nothing_is_loaded_from_elsewhere():
    client = create_app(UiSettings()).server.test_client()
    page = client.get("/", headers={"Authorization": "Bearer k"}).text
    assert 'src="http' not in page
    assert 'href="http' not in page
