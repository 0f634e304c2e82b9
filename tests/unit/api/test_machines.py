"""What a job of some size would run on, and its price."""

from __future__ import annotations

import pytest

from runtime.errors import Invalid
from services.api.machines import machine
from services.api.settings import ApiSettings


def settings(**given):
    return ApiSettings(
        database_url="sqlite:///x.db",
        redis_url="redis://x",
        objects_url="file:///x",
        spool_dir="/x",
        **given,
    )


def test_a_process_of_this_machine_has_what_it_asks_for_and_no_price():
    found = machine(settings(launcher="local"), 3.0, 5000)
    assert (found["cpus"], found["memory_mb"], found["price"]) == (3.0, 5000, None)


@pytest.mark.parametrize(
    ("cpus", "memory_mb", "size", "hour"),
    [
        (2.0, 4096, (2.0, 4096), 2 * 0.04048 + 4 * 0.004445),
        (1.5, 4097, (2.0, 5120), 2 * 0.04048 + 5 * 0.004445),
        (0.25, 512, (0.25, 512), 0.25 * 0.04048 + 0.5 * 0.004445),
    ],
)
def test_a_fargate_task_is_rounded_up_and_costs_by_the_hour(cpus, memory_mb, size, hour):
    found = machine(settings(launcher="ecs"), cpus, memory_mb)
    assert (found["cpus"], found["memory_mb"]) == size
    assert found["price"] == {"currency": "USD", "per_hour": pytest.approx(hour)}


def test_prices_are_settings():
    found = machine(
        settings(launcher="ecs", fargate_usd_per_vcpu_hour=1, fargate_usd_per_gb_hour=0.5), 1, 2048
    )
    assert found["price"]["per_hour"] == pytest.approx(2.0)


def test_what_no_task_has_is_refused():
    with pytest.raises(Invalid, match="at most 16 vCPU"):
        machine(settings(launcher="ecs"), 17, 4096)
