"""Training jobs, their logs and their artifacts."""

from __future__ import annotations

from marshmallow import fields, validate
from webargs.fields import DelimitedList

from contracts.preflight import Code
from services.api.job_states import STATES
from services.api.jobs import ORDERS
from services.api.wire.base import NAME, Answer, Listed, Page, Shape
from services.api.wire.datasets import COLUMN_TYPES
from services.api.wire.machines import Resources
from services.api.wire.preflight import Finding


class JobQuery(Page):
    """Which jobs to list."""

    state = DelimitedList(
        fields.String(validate=validate.OneOf(STATES)),
        load_default=(),
        validate=validate.Length(min=1),
        metadata={"description": "one or more, with commas between; all by default"},
    )
    dataset_id = fields.String(load_default=None)
    search = fields.String(
        load_default="",
        validate=NAME,
        metadata={"description": "part of the name of the job, or of its data set"},
    )
    order = fields.String(
        load_default="created",
        validate=validate.OneOf(tuple(ORDERS)),
        metadata={"description": "ended leaves out those that have not"},
    )


class JobWish(Shape):
    """What to train; everything left out is taken from the data set's schema and the defaults."""

    dataset_id = fields.String(required=True)
    name = fields.String(load_default=None, validate=NAME)
    model = fields.String(load_default="multimodal")
    target = fields.String()
    feature_columns = fields.List(fields.String())
    column_types = fields.Dict(keys=fields.String(), values=fields.String(validate=COLUMN_TYPES))
    epochs = fields.Integer(strict=True, validate=validate.Range(min=1, max=10_000))
    learning_rate = fields.Float(validate=validate.Range(min=0, max=10, min_inclusive=False))
    batch_size = fields.Integer(strict=True, validate=validate.Range(min=1, max=65_536))
    time_budget = fields.Float(validate=validate.Range(min=0, max=30 * 86_400, min_inclusive=False))
    validation_split = fields.Float(
        validate=validate.Range(min=0, max=1, min_inclusive=False, max_inclusive=False)
    )
    split_column = fields.String(allow_none=True)
    seed = fields.Integer(strict=True, validate=validate.Range(min=0, max=2**31 - 1))
    eval_steps = fields.Integer(strict=True, validate=validate.Range(min=1, max=10_000))
    pretrained = fields.String(validate=validate.OneOf(("auto", "none", "required")))
    params = fields.Dict(keys=fields.String())
    resources = fields.Nested(Resources)
    start = fields.Boolean(load_default=False)
    ignore = fields.List(
        fields.String(validate=validate.OneOf([code.value for code in Code])),
        load_default=list,
        metadata={"description": "codes of errors to train in spite of, where they can be overridden"},
    )


class Step(Answer):
    """One state a job went through."""

    state = fields.String(
        validate=validate.OneOf((*STATES, "interrupted")),
        metadata={"description": "also interrupted: an attempt ended that the next one follows by itself"},
    )
    at = fields.DateTime()
    reason = fields.String(allow_none=True)
    attempt = fields.Integer()


class JobSummary(Answer):
    """A job in a list."""

    id = fields.String()
    name = fields.String()
    dataset_id = fields.String()
    dataset_name = fields.String()
    model = fields.String()
    target = fields.String()
    state = fields.String(validate=validate.OneOf(STATES))
    reason = fields.String(allow_none=True)
    attempt = fields.Integer()
    last_attempt = fields.Integer(
        metadata={"description": "the attempt after which it is not tried again by itself"}
    )
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    metrics = fields.Dict(
        metadata={"additionalProperties": {"type": "number"}, "description": "of the best epoch, by name"}
    )


class JobDetail(JobSummary):
    """A job."""

    settings = fields.Dict()
    findings = fields.List(fields.Nested(Finding))
    history = fields.List(fields.Nested(Step))
    launcher = fields.String(allow_none=True)
    handle = fields.String(allow_none=True)


class JobPage(Listed):
    """One page of jobs."""

    items = fields.List(fields.Nested(JobSummary))


class LogQuery(Shape):
    """How much of a log to show."""

    tail = fields.Integer(load_default=200, validate=validate.Range(min=1, max=10_000))


class LogTail(Answer):
    """The end of a job's log."""

    lines = fields.List(fields.String())
    source = fields.String(allow_none=True)
    truncated = fields.Boolean()


class ArtifactQuery(Shape):
    """Whose artifacts to list."""

    job = fields.String(required=True)


class Artifact(Answer):
    """One result of a job."""

    name = fields.String()
    uri = fields.String()
    size = fields.Integer()
    sha256 = fields.String()
    download_url = fields.String()


class ArtifactList(Answer):
    """The results of a job."""

    items = fields.List(fields.Nested(Artifact))
