"""Services are killed, frozen and cut off while people use them: what was accepted is finished, once, with a true reason."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from contextlib import closing

import pytest
import redis

from contracts.topology import SCHEMA
from support.users import Client
from support.wait import until

pytestmark = pytest.mark.slow
NONE = "none, for comparison"
WELL = {1: frozenset({"succeeded"})}
# What may be killed, by the row it counts for; the gateway only passes on
KINDS = {
    "api": ("api", "api-worker"),
    "relay": ("relay", "relay-2"),
    "ingest": ("schema", "staging", "staging-2"),
    "launcher": ("launcher", "launcher-2"),
    "metrics": ("metrics", "metrics-worker"),
}


def test_without_faults_it_takes_so_long(broken, table, scale):
    if scale.rounds < 10:
        pytest.skip("a few rounds are no comparison")
    row = table.row(NONE, broken.database)
    with broken.users():
        for _ in range(scale.rounds // 10):
            row.rounds += 1
            row.seconds.append(broken.recovered(broken.random_moment()))
    broken.keeps_its_promises(NONE)


def test_a_random_service_is_killed_at_a_random_moment(broken, table, scale):
    # Every kind comes about equally often
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(scale.rounds)]
    broken.rng.shuffle(kinds)
    with broken.users():
        for kind in kinds:
            row = table.row(_kill_of(kind), broken.database)
            part = broken.deployment.parts[broken.rng.choice(KINDS[kind])]
            killed_at = broken.random_moment()
            part.kill()
            broken.deployment.until_ready(part)
            row.rounds += 1
            row.seconds.append(broken.recovered(killed_at))
    broken.keeps_its_promises(*map(_kill_of, dict.fromkeys(kinds)))


def _kill_of(kind: str) -> str:
    return f"kill -9 of {kind}"


def test_redis_is_killed_and_has_forgotten_everything(broken, table, scale):
    if not scale.full:
        pytest.skip("the next test's Redis forgets everything, too, and is away for longer")
    row = table.row("kill -9 of Redis, without persistence", broken.database)
    with broken.users():
        for _ in range(scale.repeats):
            killed_at = broken.random_moment()
            broken.deployment.redis.kill()
            broken.deployment.redis.start()
            row.rounds += 1
            row.seconds.append(broken.recovered(killed_at))
    broken.keeps_its_promises(row.fault)


def test_redis_is_away_while_jobs_are_created(broken, table, scale):
    fault = f"Redis away for {scale.outage_seconds:g} s while {scale.jobs} jobs are created"
    row = table.row(fault, broken.database)
    dataset = broken.client.upload(broken.rng)
    broken.client.settle(dataset)
    broken.deployment.redis.kill()
    back_at = time.monotonic() + scale.outage_seconds
    with closing(Client(broken.deployment.url, broken.accepted, patience_seconds=0)) as client:
        jobs = [client.train(dataset, WELL, epochs=1) for _ in range(scale.jobs)]
    time.sleep(max(0.0, back_at - time.monotonic()))
    came_back_at = time.monotonic()
    broken.deployment.redis.start()
    for job in jobs:
        broken.client.settle(job)
    row.rounds += 1
    row.seconds.append(time.monotonic() - came_back_at)
    broken.keeps_its_promises(fault)


def test_postgresql_is_restarted_under_load(broken, table, scale, request):
    if broken.database != "postgresql":
        pytest.skip("a file cannot be restarted")
    if not scale.restarts:
        pytest.skip("only `make faults` has the minute that this takes")
    row = table.row("PostgreSQL restarted", broken.database)
    server = request.getfixturevalue("_postgres")
    with broken.users():
        for number in range(scale.restarts):
            stopped_at = broken.random_moment()
            server.restart(mode="fast" if number % 2 else "immediate")
            row.rounds += 1
            row.seconds.append(broken.recovered(stopped_at))
    broken.keeps_its_promises(row.fault)


def test_a_worker_that_was_frozen_past_its_lease_may_write_no_more(broken, table, scale):
    row = table.row("SIGSTOP of a worker past its lease", broken.database)
    for _ in range(scale.repeats):
        row.rounds += 1
        row.seconds.append(_freeze_past_its_lease(broken))
    broken.keeps_its_promises(row.fault)


def _freeze_past_its_lease(broken):
    """Freeze a worker at its work; gives how long another took to end that, and thaws it to find its write refused."""
    dataset = broken.trapped_upload("hold")
    worker = broken.sprung(dataset)
    refused = worker.says("lost the lease")
    frozen_at = time.monotonic()
    worker.freeze()
    broken.trap(dataset).unlink()
    try:
        broken.client.settle(dataset)
        took = time.monotonic() - frozen_at
    finally:
        worker.thaw()
    until(lambda: worker.says("lost the lease") > refused, "the late write to be refused")
    return took


def test_a_task_that_always_crashes_its_worker_is_given_up_and_others_go_on(broken, table, scale):
    row = table.row("a task that kills its worker each time", broken.database)
    for _ in range(scale.repeats):
        began_at = time.monotonic()
        poison = broken.trapped_upload("crash", ends=frozenset({"rejected"}))
        others = [broken.client.upload(broken.rng) for _ in range(3)]
        for other in others:
            broken.client.settle(other)
        reason = broken.client.settle(poison)["staging_track"]["reason"]
        row.rounds += 1
        row.seconds.append(time.monotonic() - began_at)
        assert "3" in reason
        assert "died" in reason
        assert len(broken.springs(poison)) == 3
        broken.trap(poison).unlink()
        broken.dead += 1
    broken.keeps_its_promises(row.fault)


def test_a_message_is_lost_between_pop_and_noting_it(broken, table, scale):
    row = table.row("a message lost between pop and un-acked write", broken.database)
    worker = broken.deployment.parts["schema"]
    for _ in range(scale.repeats):
        worker.down(grace_seconds=0)
        with redis.Redis.from_url(broken.deployment.redis.url) as broker:
            dataset = broken.client.upload(broken.rng)
            until(lambda: _pops(broker, dataset.id), "the message")  # noqa: B023 - called at once
            lost_at = time.monotonic()
        worker.up()
        broken.client.settle(dataset)
        row.rounds += 1
        row.seconds.append(time.monotonic() - lost_at)
    broken.keeps_its_promises(row.fault)


def _pops(broker, dataset_id):
    """Take the oldest message from the queue, as a worker does; tell whether it was about a data set."""
    message = broker.rpop(SCHEMA)
    return message is not None and dataset_id in b64decode(json.loads(message)["body"]).decode()
