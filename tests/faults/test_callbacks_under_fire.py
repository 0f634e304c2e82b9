"""Redis and the metrics service are killed while points come in any order and more than once: every series is whole."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from integration.metrics.running import AT, ROOT, Service, Viewer, body, final, heartbeat

from contracts.callback import Outcome, Phase, Point, derive_secret
from contracts.job import JobSpec
from support.trainer_jobs import job_env
from support.wait import until
from trainer.delivery import Delivery
from trainer.reporter import HttpReporter
from trainer.spool import Spool

pytestmark = pytest.mark.slow
POINTS = 10_000
SENDERS = 4


@pytest.fixture
def service(database, migrated_url, redis_server, tmp_path):
    service = Service(tmp_path, migrated_url, redis_server.url, metrics_stop_seconds=1)
    service.start()
    yield service
    service.close()


class Fire:
    """Kills and starts again what it is given, each time after some more callbacks were taken."""

    def __init__(
        self, chance: random.Random, callbacks: int, victims: dict[str, object], rounds: int
    ) -> None:
        self._victims = victims
        self._plan = [
            (after, name)
            for after, name in zip(
                sorted(chance.sample(range(callbacks), rounds * len(victims))),
                chance.sample([*victims] * rounds, rounds * len(victims)),
                strict=True,
            )
        ]
        self._taken = 0
        self._changed = threading.Condition()
        self.recovered: dict[str, list[float]] = {name: [] for name in victims}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def took(self) -> None:
        with self._changed:
            self._taken += 1
            self._changed.notify_all()

    def join(self) -> None:
        self._thread.join(timeout=300)
        assert not self._thread.is_alive()

    def _wait(self, taken: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._taken >= taken, timeout=120), "no callback is taken"

    def _run(self) -> None:
        for after, name in self._plan:
            self._wait(after)
            self._victims[name].kill()
            began, taken = time.monotonic(), self._taken
            self._victims[name].start()
            self._wait(taken + 1)
            self.recovered[name].append(time.monotonic() - began)


def shuffled_callbacks(points: list[Point], chance: random.Random) -> list[bytes]:
    """Put points into callbacks of one to a hundred, many points in two or three of them, in any order."""
    copies = points + chance.choices(points, k=len(points) // 2)
    chance.shuffle(copies)
    callbacks = []
    while copies:
        size = chance.randint(1, 100)
        callbacks.append(body(points=copies[:size], heartbeat=heartbeat(chance.random())))
        copies = copies[size:]
    callbacks += chance.choices(callbacks, k=len(callbacks) // 2)
    chance.shuffle(callbacks)
    return callbacks


def send_all(service: Service, callbacks: list[bytes], fire: Fire) -> None:
    """Send callbacks from several threads, each as often as it takes until it is acknowledged."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for callback in callbacks:
        waiting.put(callback)
    strange: list[int] = []

    def work() -> None:
        while True:
            try:
                raw = waiting.get_nowait()
            except queue.Empty:
                return
            # A callback whose answer was lost is sent again, as a trainer does
            while (status := service.send(raw)) != 204:
                if status not in {0, 503}:
                    strange.append(status)
                time.sleep(0.01)
            fire.took()

    senders = [threading.Thread(target=work) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not strange, "answers that are neither taken nor away"


def everything(service: Service, job_id: str = "j") -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    while True:
        page = service.client.get(f"/api/metrics/?job={job_id}&after={len(items)}&limit=10000").json()
        items += page["items"]
        if len(items) >= page["last"] or not page["items"]:
            return items


def measured(items) -> list[tuple[object, ...]]:
    return [
        (data["split"], data["step"], data["epoch"], tuple(data["values"].items()))
        for data in (item["data"] for item in items if item["kind"] == "point")
    ]


def test_points_in_any_order_while_redis_and_the_service_are_killed(
    service, redis_server, migrated_url, table, scale
):
    if not scale.full and migrated_url.startswith("sqlite"):
        pytest.skip("only `make faults` tries this over SQLite, too")
    chance = random.Random(11)
    points = [
        Point(split=split, step=step, seq=step, epoch=step / 10, at=AT, values={"loss": chance.random()})
        for split in ("train", "val")
        for step in range(POINTS // 2)
    ]
    callbacks = shuffled_callbacks(points, chance)
    viewers = [Viewer(service.url, leave_after=count) for count in (10**9, 10**9, 3000, 700, 450)]
    rounds = 20 if scale.full else 2
    fire = Fire(chance, len(callbacks), {"metrics": service, "redis": redis_server}, rounds)
    send_all(service, callbacks, fire)
    fire.join()
    until(lambda: service.send(body(final=final())) == 204, "the end to be taken")
    until(lambda: all(viewer.ended for viewer in viewers), "every stream to end", seconds=300)

    stored = everything(service)
    assert [item["seq"] for item in stored] == list(range(1, len(stored) + 1))
    sent = Counter((point.split, point.step, point.epoch, tuple(point.values.items())) for point in points)
    found = Counter(measured(stored))
    lost, duplicated = sent - found, found - sent
    kind = migrated_url.partition(":")[0]
    for name, seconds in fire.recovered.items():
        table.add(
            f"kill -9 of {name}, 10,000 points under way",
            kind,
            rounds=rounds,
            lost=lost.total(),
            duplicated=duplicated.total(),
            seconds=seconds,
        )
    assert (lost, duplicated) == (Counter(), Counter())
    for viewer in viewers:
        assert viewer.items == stored
    assert viewers[-1].visits > 20


@contextmanager
def reporting(service: Service, folder, *, timeout: float = 10.0):
    """Run a trainer's real reporter to the service."""
    spec = JobSpec.from_env(
        job_env(folder, API_BASE=service.url, JOB_ID="j", CALLBACK_SECRET=derive_secret(ROOT, "j", 1))
    )
    reporter = HttpReporter(
        Spool(folder / "spool", 50_000_000),
        Delivery(spec, timeout=timeout),
        attempt=1,
        heartbeat_seconds=1.0,
        over=pytest.fail,
    )
    yield reporter
    reporter.close(120.0)


def train(reporter: HttpReporter, first: int, seconds: float) -> tuple[int, float]:
    """Take steps of some work each, and tell of every one.

    Returns:
        The next step, and the median seconds of a step.
    """
    taken = []
    step, end = first, time.monotonic() + seconds
    while time.monotonic() < end or step == first:
        began = time.perf_counter()
        sum(number * number for number in range(20_000))
        reporter.point("train", step, step / 100, {"loss": 1 / (step + 1)})
        taken.append(time.perf_counter() - began)
        step += 1
        time.sleep(0.002)  # else the reports of five minutes would be a million
    return step, sorted(taken)[len(taken) // 2]


@pytest.mark.parametrize("away", ["killed", "stopped"])
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_training_goes_on_while_the_service_is_away_and_the_spool_drains_in_order(
    service, tmp_path, away, table, scale
):
    seconds = 300.0 if scale.full and away == "killed" else 3.0
    viewer = Viewer(service.url)
    with ExitStack() as stack:
        reporter = stack.enter_context(reporting(service, tmp_path, timeout=1.0))
        reporter.phase(Phase.TRAINING)
        step, before = train(reporter, 0, 1.0)
        until(lambda: viewer.heartbeats and not reporter._spool.waiting, "the first reports to be taken")
        if away == "killed":
            service.kill()
        else:  # it takes connections and answers none: worse than being gone
            os.killpg(service.process.pid, signal.SIGSTOP)
        # All these steps are taken while nobody answers: they would never end if one of them waited for it
        step, during = train(reporter, step, seconds)
        waiting = reporter._spool.waiting
        came_back = time.monotonic()
        if away == "killed":
            service.start()
        else:
            os.killpg(service.process.pid, signal.SIGCONT)
        until(lambda: reporter._spool.waiting < waiting, "a report to be taken", seconds=60)
        recovered = time.monotonic() - came_back
        reporter.final(Outcome.SUCCEEDED)
    until(lambda: viewer.ended, "the stream to end", seconds=60)

    stored = everything(service)
    steps = [
        item["data"]["step"]
        for item in stored
        if item["kind"] == "point" and item["data"]["split"] == "train"
    ]
    table.add(
        f"metrics service {away} for {seconds:.0f} s while a trainer reports"
        f" (its step took {before * 1e6:.0f} µs before, {during * 1e6:.0f} µs meanwhile)",
        "sqlite",
        rounds=1,
        lost=step - len(set(steps)),
        duplicated=len(steps) - len(set(steps)),
        seconds=[recovered],
    )
    assert waiting > 0
    assert steps == list(range(step))
    assert viewer.items == stored
