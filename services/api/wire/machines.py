"""What a trainer may use, and what such a machine costs."""

from __future__ import annotations

from marshmallow import fields, validate

from services.api.specs import RESOURCES
from services.api.wire.base import Answer, Shape

_CPUS = validate.Range(min=0.25, max=192)
_MEMORY_MB = validate.Range(min=256, max=2_000_000)


class Resources(Shape):
    """What one trainer may use."""

    cpus = fields.Float(validate=_CPUS)
    memory_mb = fields.Integer(validate=_MEMORY_MB)
    max_seconds = fields.Integer(
        validate=validate.Range(min=10, max=30 * 86_400),
        metadata={
            "description": "run time after which it is stopped, attempts that follow by themselves included"
        },
    )
    max_retries = fields.Integer(
        validate=validate.Range(min=0, max=20),
        metadata={"description": "how often it is tried again by itself where it ended by nobody's fault"},
    )
    max_idle_seconds = fields.Integer(
        validate=validate.Range(min=0, max=30 * 86_400),
        metadata={"description": "silence after which it is stopped as hung while it runs; 0: never"},
    )


class MachineQuery(Shape):
    """What a job would ask for."""

    cpus = fields.Float(load_default=RESOURCES["cpus"], validate=_CPUS)
    memory_mb = fields.Integer(load_default=RESOURCES["memory_mb"], validate=_MEMORY_MB)


class Price(Answer):
    """What a machine costs while a job has it."""

    currency = fields.String()
    per_hour = fields.Float()


class Machine(Answer):
    """What a job would run on."""

    launcher = fields.String()
    cpus = fields.Float()
    memory_mb = fields.Integer()
    max_seconds = fields.Integer(metadata={"description": "longest run of a job that sets none itself"})
    price = fields.Nested(
        Price, allow_none=True, metadata={"description": "null where nothing is paid by the hour"}
    )
