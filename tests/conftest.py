"""Fixtures that every test folder shares."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from runtime import log
from runtime.db import Database
from support.access import migrate
from support.postgres import PostgresServer, postgres_bin
from support.redis_server import RedisServer, redis_binary
from support.s3_server import s3_server

if TYPE_CHECKING:
    from collections.abc import Iterator

# Apps, engines and models are many objects: looking for dead ones as often as usual takes a fifth of the tests' time
gc.set_threshold(50_000, 20, 100)
hypothesis.settings.register_profile("triptych", deadline=None)  # no test is timed: machines are shared
hypothesis.settings.load_profile("triptych")

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.hookimpl(tryfirst=True)  # before -m takes its choice
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of what is tried over SQLite, and then over PostgreSQL, to the long tests there.

    Of a table test's cases the first stays, and of a module marked `sqlite` none.
    """
    kinds: dict[str, list[pytest.Item]] = {}
    for item in items:
        params = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        kind = params.get("migrated_url", params.get("database_url"))
        kinds.setdefault(f"{item.nodeid.partition('[')[0]} {kind}", []).append(item)
    for name, cases in kinds.items():
        test, _, kind = name.rpartition(" ")
        if kind == "postgresql" and f"{test} sqlite" in kinds:
            stay = 0 if cases[0].get_closest_marker("sqlite") else 1
            for item in cases[stay:]:
                item.add_marker(pytest.mark.long)


@pytest.fixture
def nothing_bound() -> Iterator[None]:
    """No ids for logs and traces: another test's request may have left its own in this process."""
    token = log._context.set({})
    yield
    log._context.reset(token)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets that lie beside the checkout; tests that use them are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("no shared data beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    if postgres_bin() is None:
        pytest.skip("no PostgreSQL on this machine")
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    server = request.getfixturevalue("_postgres")
    yield (url := server.create_database())
    server.drop_database(url)


def _migrated(url: str) -> str:
    db = Database(url)
    migrate(db)
    db.engine.dispose()
    return url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _postgres_template(_postgres: PostgresServer) -> str:
    return _migrated(_postgres.create_database())


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database with every table, on each kind; copied, because migrating anew takes longer than most tests."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "test.db")
        yield f"sqlite:///{tmp_path}/test.db"
        return
    server = request.getfixturevalue("_postgres")
    yield (url := server.create_database(request.getfixturevalue("_postgres_template")))
    server.drop_database(url)


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    """A database with every table, on each kind."""
    db = Database(migrated_url)
    yield db
    db.engine.dispose()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A private redis-server, running; `.kill()` and `.start()` it at will."""
    if redis_binary() is None:
        pytest.skip("no redis-server on this machine")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of the private redis-server."""
    return redis_server.url


@pytest.fixture
def s3_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """OBJECTS_URL of an empty bucket on a local S3 server, with the AWS environment to reach it."""
    with s3_server("test-bucket") as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield "s3://test-bucket"
