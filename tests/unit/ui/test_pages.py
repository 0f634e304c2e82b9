"""Every page over the fake API, without a browser: what is on it, and what it says when something is wrong."""

from __future__ import annotations

import json

import httpx
import plotly.utils
import pytest
from browser import fake_data
from browser.fake_api import FakePlatform
from browser.fake_routes import create_api
from browser.one_origin import furnish
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from client import Api
from ui import routing
from ui.app import create_app
from ui.pages import job
from ui.settings import UiSettings


@pytest.fixture
def platform():
    return FakePlatform()


@pytest.fixture
def api(platform):
    origin = DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
    return Api(httpx.Client(base_url="http://origin", transport=httpx.WSGITransport(app=origin)))


@pytest.fixture
def see(api):
    def show(path, search=""):
        children, title = routing.show(api, path, search)
        return json.dumps(children, cls=plotly.utils.PlotlyJSONEncoder, ensure_ascii=False), title

    return show


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
        "about 3",
        "14 of 120 rows missing",
        "thumbnail",
    ):
        assert shown in page


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
