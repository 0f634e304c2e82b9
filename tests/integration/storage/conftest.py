import logging

import boto3
import pytest
from moto.server import ThreadedMotoServer

from runtime.storage import open_store

PART = 5 << 20  # the least S3 accepts


@pytest.fixture(scope="module")
def s3_url():
    """A bucket on a moto server of this module's own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else every request is a line
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.session.Session().client("s3").create_bucket(Bucket="bucket")
    yield "s3://bucket/some/prefix"
    server.stop()
    patch.undo()


@pytest.fixture(scope="module")
def s3_store(s3_url):
    return open_store(s3_url, part_bytes=PART, connections=3)


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path):
    if request.param == "file":
        yield open_store((tmp_path / "my objects").as_uri())
        return
    store = request.getfixturevalue("s3_store")
    yield store
    for found in list(store.list()):
        store.delete(found.key)
