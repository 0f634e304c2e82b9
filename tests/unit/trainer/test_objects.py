"""What is the data's fault, and what the store's, which is waited for."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from trainer import objects
from trainer.errors import DataError, StoreError
from trainer.patience import Patience

REFUSED = EndpointConnectionError(endpoint_url="http://127.0.0.1:9/")


def answered(status, code):
    told = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "PutObject")


def upload_failed(by):
    """What boto3 makes of an answer to an upload."""
    try:
        try:
            raise by
        except ClientError as error:
            raise S3UploadFailedError(f"Failed to upload: {error}")  # noqa: B904 - as boto3 does
    except S3UploadFailedError as error:
        return error


class Store:
    """Holds objects, and raises the errors it was given first."""

    def __init__(self, *errors, held=()):
        self.errors = list(errors)
        self.held = dict(held)
        self.downloads = []

    def _fail(self):
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error

    def upload_file(self, path, _bucket, key):
        self._fail()
        self.held[key] = Path(path).read_bytes()

    def download_file(self, _bucket, key, target):
        self._fail()
        self.downloads.append(key)
        Path(target).write_bytes(self.held[key])

    def get_paginator(self, _name):
        return self

    def paginate(self, Bucket, Prefix):  # noqa: N803, ARG002 - boto3's names
        return [{"Contents": [{"Key": key, "Size": len(self.held[key])} for key in self.held]}]


@pytest.fixture
def store(monkeypatch):
    """Put a store in S3's place, and be patient with it without waiting."""

    def put(*errors, **more):
        fake = Store(*errors, **more)
        monkeypatch.setattr(objects, "_s3", lambda: fake)
        monkeypatch.setattr(objects, "PARALLEL_TRANSFERS", 1)
        monkeypatch.setattr(objects, "_patience", Patience(900, pause=lambda _: None))
        return fake

    return put


PASSING = [
    REFUSED,
    ConnectTimeoutError(endpoint_url="http://s3"),
    ReadTimeoutError(endpoint_url="http://s3"),
    CredentialRetrievalError(provider="lent", error_msg="no answer"),
    RetriesExceededError(TimeoutError("timed out")),
    answered(500, "InternalError"),
    answered(503, "SlowDown"),
    answered(429, "TooManyRequests"),
    answered(400, "ExpiredToken"),
    upload_failed(answered(503, "ServiceUnavailable")),
]
LASTING = [
    (answered(404, "NoSuchBucket"), "lies in a bucket that does not exist"),
    (answered(403, "AccessDenied"), "may not be accessed with this job's credentials"),
    (upload_failed(answered(403, "AccessDenied")), "may not be accessed with this job's credentials"),
    (answered(400, "InvalidArgument"), "failed"),
    (NoCredentialsError(), "failed"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_an_outage_is_waited_for(store, tmp_path, error):
    (tmp_path / "file").write_bytes(b"trained")
    fake = store(error, error)
    objects.put(tmp_path / "file", "s3://b/file")
    assert fake.held == {"file": b"trained"}


def test_an_outage_may_last_longer_than_patience(store, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    store(*[REFUSED] * 3)
    monkeypatch.setattr(objects, "_patience", Patience(0))
    with pytest.raises(StoreError, match=r"s3://b/file failed: Could not connect"):
        objects.put(tmp_path / "file", "s3://b/file")


def test_a_checkpoint_at_the_end_waits_for_nothing(store, tmp_path):
    (tmp_path / "file").touch()
    store(REFUSED)
    with pytest.raises(StoreError):
        objects.put(tmp_path / "file", "s3://b/file", patient=False)


@pytest.mark.parametrize(("error", "told"), LASTING, ids=lambda value: str(value)[:40])
def test_a_refusal_is_the_datas_fault(store, tmp_path, error, told):
    (tmp_path / "file").touch()
    store(error)
    with pytest.raises(DataError, match=f"s3://b/file {told}"):
        objects.put(tmp_path / "file", "s3://b/file")


def test_a_download_goes_on_with_what_is_missing(store, tmp_path):
    held = {f"images/{number}.png": b"x" * number for number in range(1, 5)}
    fake = store(None, None, REFUSED, held=held)
    shares = []
    folder = objects.fetch_folder("s3://b/images", tmp_path / "images", shares.append)
    assert sorted(path.name for path in folder.iterdir()) == ["1.png", "2.png", "3.png", "4.png"]
    assert [fake.downloads.count(f"images/{number}.png") for number in (1, 2)] == [1, 1], "not twice"
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StoreError), (errno.EIO, StoreError), (errno.EACCES, DataError)],
    ids=["full", "broken", "forbidden"],
)
def test_a_full_disk_may_be_given_room(tmp_path, monkeypatch, number, kind):
    def fail(*_):
        raise OSError(number, "so it is")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(kind, match="cannot be written: so it is"):
        objects.put(tmp_path / "file", (tmp_path / "out").as_uri(), patient=False)
