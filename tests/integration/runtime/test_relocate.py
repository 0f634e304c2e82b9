"""After objects moved, every address in the rows leads to their new place, and nothing else is changed."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from runtime.outbox import EventRow
from runtime.relocate import relocate
from services.api.models import Dataset, Job

OLD, NEW = "s3://lost/files", "s3://copy"
ASSETS = '[{"key": "train_file", "s3_uri": "s3://lost/files/datasets/d/table.csv"}]'


@pytest.fixture
def rows(database):
    with database.write() as session:
        session.execute(
            insert(Dataset).values(
                id="d", name="s3://lost/files-of-others/x", state="ready", table_name="t.csv", table_bytes=1, files=0,
                file_bytes=0, detected={}, preview={}, train_file="s3://lost/files/datasets/d/table.csv",
            )
        )  # fmt: skip
        uri = "s3://lost/files/jobs/j/1/model.pt"
        session.execute(
            insert(Job).values(
                id="j", name="j", dataset_id="d", model="m", target="t", settings={"ä": "%_"}, state="succeeded",
                artifacts=[{"name": "model.pt", "uri": uri}],
            )
        )  # fmt: skip
        session.execute(
            insert(EventRow).values(id="e", envelope={"data": {"ASSETS": ASSETS}}, created_at=0.0)
        )
    return database


def shown(database):
    with database.read() as session:
        dataset, job = session.get(Dataset, "d"), session.get(Job, "j")
        return (
            dataset.train_file,
            dataset.name,
            job.artifacts[0]["uri"],
            job.settings,
            session.scalars(select(EventRow.envelope)).one()["data"]["ASSETS"],
        )


MOVED = (
    "s3://copy/datasets/d/table.csv",
    "s3://lost/files-of-others/x",
    "s3://copy/jobs/j/1/model.pt",
    {"ä": "%_"},
    ASSETS.replace("s3://lost/files", "s3://copy"),
)


def test_addresses_change_in_texts_in_json_and_in_json_within_json(rows):
    assert relocate(rows, OLD, f"{NEW}/") == {"api_datasets": 1, "api_jobs": 1, "runtime_events": 1}
    assert shown(rows) == MOVED


def test_a_second_run_changes_nothing_even_where_the_new_place_lies_in_the_old_one(rows):
    assert relocate(rows, OLD, f"{OLD}/deeper")
    once = shown(rows)
    assert relocate(rows, OLD, f"{OLD}/deeper") == {}
    assert shown(rows) == once
    assert once[0] == "s3://lost/files/deeper/datasets/d/table.csv"


def test_the_new_place_may_be_around_the_old_one(rows):
    assert relocate(rows, OLD, "s3://lost")
    assert shown(rows)[0] == "s3://lost/datasets/d/table.csv"


@pytest.mark.parametrize("url", ["s3:/lost", "https://lost", "s3://lüst", 's3://lo"st'])
def test_what_is_no_object_store_is_refused(database, url):
    with pytest.raises(ValueError, match="is allowed"):
        relocate(database, url, NEW)
