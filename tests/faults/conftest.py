"""A deployment to break over each database, and the table of what came of it."""

from __future__ import annotations

import random
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from contracts.topology import STAGING
from support import promises
from support.deployment import Deployment
from support.fault_table import FaultTable, Scale
from support.redis_server import RedisServer
from support.users import Accepted, Client, User
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.deployment import Part
    from support.users import Dataset

TABLE = pytest.StashKey[FaultTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = FaultTable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table, path = config.stash[TABLE], Scale().table
    if table.markdown():
        terminalreporter.section("faults")
        terminalreporter.write_line(table.markdown())
    if path is not None:
        table.write(path)


@pytest.fixture(scope="session")
def scale() -> Scale:
    return Scale()


@pytest.fixture(scope="session")
def seed(scale: Scale) -> int:
    chosen = scale.seed or random.SystemRandom().randrange(1, 10**6)
    print(f"FAULT_SEED={chosen}")  # noqa: T201 - shown where a test fails
    return chosen


@pytest.fixture
def table(request: pytest.FixtureRequest) -> FaultTable:
    return request.config.stash[TABLE]


class Broken:
    """A deployment, whatever it has accepted, and a way to break it and see how long that shows."""

    def __init__(self, deployment: Deployment, database: str, table: FaultTable, seed: int) -> None:
        self.deployment, self.database, self.table, self.seed = deployment, database, table, seed
        self.accepted = Accepted()
        self.client = Client(deployment.url, self.accepted)
        self.rng = random.Random(seed)
        self.dead = 0  # deliveries that were made to end so
        self._users: list[User] = []

    @contextmanager
    def users(self, count: int = 3) -> Iterator[None]:
        """Have people use it; their errors are the test's."""
        users = [User(self.deployment.url, self.accepted, self.rng.randrange(10**9)) for _ in range(count)]
        self._users = users
        for user in users:
            user.start()
        try:
            yield
        finally:
            for user in users:
                user.leave()
            for user in users:
                user.join()
        self._users_are_well()

    def _users_are_well(self) -> None:
        for user in self._users:
            if user.error:
                raise AssertionError(f"FAULT_SEED={self.seed}") from user.error

    def random_moment(self) -> float:
        """Wait for one at which something is under way; gives it in monotonic seconds."""
        time.sleep(self.rng.uniform(0, 2))
        until(self.accepted.outstanding, "people to do something", seconds=60)
        return time.monotonic()

    def recovered(self, since: float, *, seconds: float = 240) -> float:
        """Wait until everything accepted by now has ended; gives how long that took from a moment on."""
        waiting, last = self.accepted.outstanding(), since
        deadline = time.monotonic() + seconds
        while waiting:
            self._users_are_well()  # whoever gave up sees nothing end
            assert time.monotonic() < deadline, f"{len(waiting)} have not ended, such as {waiting[0]}"
            time.sleep(0.05)
            last = max([last, *(thing.ended_at for thing in waiting if thing.ended_at)])
            waiting = [thing for thing in waiting if not thing.ended_at]
        return last - since

    def trapped_upload(self, kind: str, ends: frozenset[str] = frozenset({"ready"})) -> Dataset:
        """Upload a data set whose staging runs into a trap; see support/trapped_service.py."""
        workers = self._stagers()
        for worker in workers:
            worker.freeze()  # or it would be staged before the trap is set
        try:
            dataset = self.client.upload(self.rng)
            self.trap(dataset).write_text(kind)
        finally:
            for worker in workers:
                worker.thaw()
        dataset.ends = ends
        return dataset

    def trap(self, dataset: Dataset) -> Path:
        return self.deployment.traps / f"{dataset.id}.{STAGING}"

    def springs(self, dataset: Dataset) -> list[int]:
        """Give the ids of the processes that ran into a data set's trap."""
        path = self.deployment.traps / f"{dataset.id}.{STAGING}.sprung"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def sprung(self, dataset: Dataset) -> Part:
        """Wait until a worker is in the trap; gives which."""
        [pid] = until(lambda: self.springs(dataset), "the trap to spring")
        [worker] = [worker for worker in self._stagers() if worker.pid == pid]
        return worker

    def _stagers(self) -> list[Part]:
        return [part for name, part in self.deployment.parts.items() if name.startswith("staging")]

    def keeps_its_promises(self, *faults: str) -> None:
        """Let it settle, then check everything; what is found is entered into the faults' rows."""
        promises.settle(self.deployment)
        kept = promises.look(self.deployment, self.accepted, dead=self.dead)
        for fault in faults:
            row = self.table.row(fault, self.database)
            row.lost, row.duplicated = len(kept.lost), len(kept.duplicated)
        assert kept, "\n".join([f"FAULT_SEED={self.seed}", *promises.lines(kept)])


@contextmanager
def _broken(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    url: str,
    seed: int,
    scale: Scale,
) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("deployment")
    redis = RedisServer(folder)
    redis.start()
    deployment = Deployment(
        folder, url, redis, lease_seconds=scale.lease_seconds, again_seconds=scale.again_seconds
    )
    try:
        deployment.start()
        broken = Broken(deployment, url.partition(":")[0], request.config.stash[TABLE], seed)
        yield broken
        broken.client.close()
    finally:
        left = deployment.stop()
    assert left == 0, f"{left} processes were left behind"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def broken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, seed: int, scale: Scale
) -> Iterator[Broken]:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("database") / "faults.db"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        url = f"sqlite:///{path}"
    elif not scale.full:
        pytest.skip("only `make faults` tries this over PostgreSQL, too")
    else:
        server = request.getfixturevalue("_postgres")
        url = server.create_database(request.getfixturevalue("_postgres_template"))
    with _broken(request, tmp_path_factory, url, seed, scale) as made:
        yield made
