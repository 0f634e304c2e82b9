"""The whole platform, once on embedded defaults and once on PostgreSQL and S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.collector import Collector
from support.platform import Platform
from support.s3_server import s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where the embedded platform sends its traces."""
    made = Collector()
    yield made
    made.close()


# The command line's tests, the faults' and the browser's try a whole platform on embedded defaults, too
@pytest.fixture(
    scope="module", params=[pytest.param("embedded", marks=pytest.mark.long), "postgresql-and-s3"]
)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    if request.param == "embedded":
        collector = request.getfixturevalue("collector")
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        yield from _running(Platform(folder, **traced))
        return
    database = request.getfixturevalue("_postgres").create_database()
    with s3_server("triptych") as endpoint:
        yield from _running(
            Platform(
                folder,
                DATABASE_URL=database,
                OBJECTS_URL="s3://triptych/files",
                AWS_ENDPOINT_URL=endpoint,
                AWS_ACCESS_KEY_ID="test",
                AWS_SECRET_ACCESS_KEY="test",
                AWS_DEFAULT_REGION="us-east-1",
            )
        )


def _running(platform: Platform) -> Iterator[Platform]:
    platform.start()
    yield platform
    platform.stop()
