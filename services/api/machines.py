"""What a job of some size would run on, and what an hour of that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.fargate import TooLarge, fargate_size
from runtime.errors import Invalid
from services.api.specs import RESOURCES

if TYPE_CHECKING:
    from services.api.settings import ApiSettings


def machine(settings: ApiSettings, cpus: float, memory_mb: int) -> dict[str, Any]:
    """Give the size that a wish is rounded up to, with its price where one is paid by the hour.

    Args:
        settings: The launcher in use, and its prices.
        cpus: vCPUs wished for.
        memory_mb: MiB wished for.

    Raises:
        Invalid: The launcher has nothing that large.
    """
    price = None
    if settings.launcher == "ecs":
        try:
            units, memory_mb = fargate_size(cpus, memory_mb)
        except TooLarge as error:
            raise Invalid(str(error), {"resources": [str(error)]}) from None
        cpus = units / 1024
        hour = cpus * settings.fargate_usd_per_vcpu_hour + memory_mb / 1024 * settings.fargate_usd_per_gb_hour
        price = {"currency": "USD", "per_hour": hour}
    return {
        "launcher": settings.launcher,
        "cpus": cpus,
        "memory_mb": memory_mb,
        "max_seconds": RESOURCES["max_seconds"],
        "price": price,
    }
