"""One way to SQLite and PostgreSQL: engine, read and write transactions, portable column types, migrations."""

from __future__ import annotations

import fcntl
import importlib
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from alembic import command
from alembic.config import Config
from sqlalchemy import DateTime, create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from runtime import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Dialect, Engine

# Rooms that own tables, in the order in which their migrations run
OWNERS = ("runtime", "services.api", "services.launcher", "services.metrics")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Refuse naive times, store UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Give an aware time in UTC."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


def now() -> datetime:
    """Give the present moment in UTC."""
    return datetime.now(UTC)


class Database:
    """A database by its URL. Short transactions only: SQLite has one writer at a time."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url, pool_size)
        self.watchers: list[Callable[[Session], None]] = []  # given each session that writes

    @classmethod
    def over(cls, engine: Engine) -> Self:
        """Make one that shares another's connections."""
        made = cls.__new__(cls)
        made.engine = engine
        made.watchers = []
        return made

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that only reads."""
        with self._session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that commits at the end of the block, or rolls back when it raises."""
        with (
            self.engine.connect().execution_options(triptych_write=True) as connection,
            self._session(connection) as session,
            session.begin(),
        ):
            for watch in self.watchers:
                watch(session)
            yield session

    def _session(self, bind: Engine | Connection) -> Session:
        return Session(bind, expire_on_commit=False)

    def check(self) -> None:
        """Raise when the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def migrate(self) -> None:
        """Bring every owner's tables to this release. Safe to run by several processes at once."""
        with self.engine.connect() as connection, _one_at_a_time(connection):
            for owner in OWNERS:
                _upgrade(connection, owner)
                # Reading the versions opened a transaction; the next owner's would run inside it and be lost
                connection.commit()


def unix_now() -> float:
    """Give Unix seconds; what leases and due times are kept in, for plain arithmetic on both databases."""
    return time.time()


@contextmanager
def _one_at_a_time(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "sqlite":
        with Path(f"{connection.engine.url.database}.migrating").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed, or its process dies
            yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": locks.MIGRATION})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": locks.MIGRATION})
        connection.commit()


def _upgrade(connection: Connection, owner: str, revision: str = "head") -> None:
    config = alembic_config(owner)
    config.attributes["connection"] = connection
    config.attributes["version_table"] = f"{owner.rpartition('.')[2]}_alembic_version"
    command.upgrade(config, revision)


def alembic_config(owner: str) -> Config:
    """Say where the migrations of a room lie that owns tables."""
    location = Path(str(importlib.import_module(owner).__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(location))
    config.set_main_option("path_separator", "newline")
    return config


def _postgresql(url: str, pool_size: int) -> Engine:
    url = "postgresql+psycopg://" + url.split("://", 1)[1]
    return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)


def _sqlite(url: str) -> Engine:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # The connection that was used last: its page cache is warm, where another's is stale after each write and read anew
    engine = create_engine(url, pool_use_lifo=True, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        # FULL: a committed event survives a power cut, at one fsync a commit
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A reader that turns writer fails at once when another wrote meanwhile, so writers lock from the start
        write = connection.get_execution_options().get("triptych_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
