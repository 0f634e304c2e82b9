"""What the two tracks of an upload ask for where the store, or a disk, is in trouble."""

from __future__ import annotations

import errno

import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.events import DatasetDeleted, DatasetUploaded
from runtime.errors import Unavailable
from runtime.storage import StoreRefused, open_store
from services.ingest.handlers import schema_handlers, staging_handlers
from services.ingest.staging import Limits

UPLOADED = DatasetUploaded(dataset_id="d", spool="d", table_bytes=12, files=0, file_bytes=0)
TROUBLES = [
    OSError(errno.ENOSPC, "No space left on device"),
    EndpointConnectionError(endpoint_url="http://s3"),
    StoreRefused("bucket b: The access key does not exist (InvalidAccessKeyId)"),
]


class Away:
    """A store of which every request fails."""

    def __init__(self, inner, error):
        self._inner, self._error = inner, error

    def __getattr__(self, name):
        if name in {"uri", "key_of"}:
            return getattr(self._inner, name)

        def fail(*_args, **_options):
            raise self._error

        return fail


@pytest.fixture(params=TROUBLES, ids=lambda error: type(error).__name__)
def away(request, tmp_path):
    return Away(open_store((tmp_path / "objects").as_uri()), request.param)


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "spool" / "d"
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text("x,y\n1,a\n2,b\n")
    return folder.parent


@pytest.mark.parametrize("track", ["schema", "staging"])
def test_both_tracks_wait_for_a_store_in_trouble(spool, away, track):
    handlers = (
        schema_handlers(spool, away) if track == "schema" else staging_handlers(spool, away, Limits(), 1.0)
    )
    with pytest.raises(Unavailable):
        handlers[DatasetUploaded.NAME](UPLOADED, None)


def test_a_deletion_waits_for_it_too(spool, away):
    handlers = staging_handlers(spool, away, Limits(), 1.0)
    with pytest.raises(Unavailable):
        handlers[DatasetDeleted.NAME](DatasetDeleted(dataset_id="d", job_ids=["j"]), None)


def test_the_spools_own_disk_is_waited_for(spool, tmp_path, monkeypatch):
    def broken(*_args, **_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("services.ingest.handlers.profile_table", broken)
    handlers = schema_handlers(spool, open_store((tmp_path / "objects").as_uri()))
    with pytest.raises(Unavailable, match="Input/output error"):
        handlers[DatasetUploaded.NAME](UPLOADED, None)
