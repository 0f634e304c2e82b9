"""What is removed with a data set, and what is told of one whose upload is gone."""

from __future__ import annotations

from contextlib import nullcontext

from contracts.events import DatasetDeleted, DatasetSchemaFailed, DatasetStagingFailed, DatasetUploaded
from runtime.storage import open_store
from services.ingest.handlers import schema_handlers, staging_handlers
from services.ingest.staging import Limits


class Work:
    def finish(self):
        return nullcontext()


def test_the_objects_of_its_jobs_go_with_it_and_no_others(tmp_path):
    store = open_store((tmp_path / "objects").as_uri())
    gone = ["datasets/d/table.csv", "jobs/a/1/model.pt", "jobs/a/2/log.txt", "specs/a/2/0123.json"]
    kept = ["datasets/e/table.csv", "jobs/ab/1/model.pt", "specs/ab/1/4567.json"]
    for key in gone + kept:
        store.put_bytes(key, b"x")
    handlers = staging_handlers(tmp_path / "spool", store, Limits(), 1.0)
    handlers[DatasetDeleted.NAME](DatasetDeleted(dataset_id="d", job_ids=["a"]), Work())
    assert [item.key for item in store.list()] == sorted(kept)


class ToldWork(Work):
    def __init__(self):
        self.told = []
        self.outbox = self

    def emit(self, _session, event):
        self.told.append(event)


def test_a_data_set_whose_upload_is_gone_is_told_to_have_failed_not_left_waiting(tmp_path):
    store = open_store((tmp_path / "objects").as_uri())
    uploaded = DatasetUploaded(dataset_id="d", spool="d", table_bytes=1, files=0, file_bytes=0)
    work = ToldWork()
    for handlers in (
        schema_handlers(tmp_path / "spool", store),
        staging_handlers(tmp_path / "spool", store, Limits(), 1.0),
    ):
        handlers[DatasetUploaded.NAME](uploaded, work)
    assert [type(event) for event in work.told] == [DatasetSchemaFailed, DatasetStagingFailed]
    assert all("upload it again" in event.reason for event in work.told)
