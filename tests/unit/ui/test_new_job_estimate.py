"""How long a job may take: by former jobs of the same model, in proportion to what differs."""

from __future__ import annotations

import pytest
from browser import fake_data

from ui.pages import new_job_estimate

MODEL = fake_data.MODELS[0] | {
    "params_schema": {
        "properties": {"preset": {"default": "balanced"}},
        "presets": {"balanced": {"epochs": 16, "networks": 1}, "best": {"epochs": 24, "networks": 3}},
    }
}


@pytest.fixture
def dataset(platform):
    return platform.add_dataset("animals.csv", fake_data.sample_csv(120))


def trained(platform, dataset, minutes, **settings):
    job = platform.add_job(dataset, {"epochs": 16, **settings})
    platform.start(job)
    platform.succeed(job)
    platform.jobs[job] |= {
        "started_at": "2026-11-26T10:00:00Z",
        "finished_at": f"2026-11-26T10:{minutes:02}:00Z",
    }
    return job


def told(api, dataset, **settings):
    body = {"dataset_id": dataset, "model": "multimodal", **settings}
    return new_job_estimate.told(new_job_estimate.estimate(api, body, MODEL))


def test_without_a_former_job_it_is_not_known(api, dataset):
    assert told(api, dataset) == "unknown: no job of this model has succeeded yet"


def test_a_job_like_this_one_took_as_long(api, platform, dataset):
    trained(platform, dataset, 10)
    assert told(api, dataset) == "about 10 min, as the one before did"


@pytest.mark.parametrize(
    ("settings", "span"),
    [
        ({"epochs": 32}, "10 min to 20 min"),
        ({"epochs": 8}, "5 min to 10 min"),
        ({"params": {"preset": "best"}}, "10 min to 45 min"),
    ],
)
def test_more_work_may_take_in_proportion(api, platform, dataset, settings, span):
    trained(platform, dataset, 10)
    assert told(api, dataset, **settings) == (
        f"about {span}: by 1 job of this model on these data; a range, since rows, epochs or networks differ"
    )


def test_another_data_set_serves_where_this_one_has_no_job(api, platform, dataset):
    other = platform.add_dataset("plants.csv", fake_data.sample_csv(60))
    trained(platform, other, 10)
    trained(platform, other, 12, model="dummy_model")
    assert told(api, dataset).startswith("about 10 min to 20 min: by 1 job of this model on other data")
    trained(platform, dataset, 3)
    assert told(api, dataset) == "about 3 min, as the one before did"


def test_a_job_whose_data_set_is_gone_is_passed_over(api, platform, dataset):
    other = platform.add_dataset("plants.csv", fake_data.sample_csv(60))
    trained(platform, other, 10)
    del platform.datasets[other]
    assert told(api, dataset) == "unknown: no job of this model has succeeded yet"
