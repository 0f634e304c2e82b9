"""Bodies and query parameters of the REST API, for validation and for its OpenAPI page."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any, Self

from marshmallow import INCLUDE, Schema, fields, validate
from webargs.fields import DelimitedList

from contracts.preflight import Code, Severity
from contracts.schema import ColumnProfile, ColumnType, DatasetSchema, Role
from contracts.topology import QUEUES
from runtime.deliveries import STATES as DELIVERY_STATES
from runtime.openapi import MODEL
from services.api.audit import OUTCOMES as AUDIT_OUTCOMES
from services.api.datasets import ORDERS as DATASET_ORDERS
from services.api.datasets import STATES as DATASET_STATES
from services.api.jobs import ORDERS as JOB_ORDERS
from services.api.jobs import STATES
from services.api.predictions import STATES as PREDICTION_STATES
from services.api.specs import RESOURCES

_TYPES = validate.OneOf([kind.value for kind in ColumnType])
_ROLES = validate.OneOf([role.value for role in Role])
_SCHEMA_STATES = validate.OneOf(("pending", "running", "detected", "failed"))
_STAGING_STATES = validate.OneOf(("pending", "running", "staged", "failed"))
_NAME = validate.Length(max=300)
_CPUS = validate.Range(min=0.25, max=192)
_MEMORY_MB = validate.Range(min=256, max=2_000_000)


def _of(model: str, description: str = "") -> fields.Field[Any]:
    """Make a field that is one of the contracts' models; it is passed on as it is."""
    return fields.Raw(metadata={MODEL: model, "description": description})


class Shape(Schema):
    """What the API takes or gives."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Give the schema itself: it never changes, and flask-smorest's copies of it took nearly half the time to make an app."""
        return self


class Answer(Shape):
    """What the API answers: every field is there."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:  # noqa: ARG002 - marshmallow's signature
        """Say so in the OpenAPI document."""
        field_obj.required = True


class EffectiveColumn(ColumnProfile):
    """A column with the overrides applied."""

    overridden: bool


# Fields of answers hold them, by `_of`
MODELS = (DatasetSchema, EffectiveColumn)


class Page(Shape):
    """One page of a list."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(min=1, max=10**6),
        metadata={"description": "of no matter where a cursor is given"},
    )
    page_size = fields.Integer(load_default=50, validate=validate.Range(min=1, max=10**6))
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=4000),
        metadata={
            "description": "next_cursor of the page before, instead of page: what is added or deleted meanwhile shifts nothing"
        },
    )
    direction = fields.String(
        load_default="desc",
        validate=validate.OneOf(("desc", "asc")),
        metadata={"description": "latest or last first, or the other way round"},
    )


class Listed(Answer):
    """What every page of a list says beside its items."""

    total = fields.Integer()
    page = fields.Integer(metadata={"description": "as asked for; 1 where a cursor was given"})
    page_size = fields.Integer()
    next_cursor = fields.String(
        allow_none=True, metadata={"description": "where the list goes on; null at its end"}
    )


class DatasetQuery(Page):
    """Which data sets to list."""

    search = fields.String(load_default="", validate=_NAME, metadata={"description": "part of the name"})
    state = fields.String(load_default=None, validate=validate.OneOf(DATASET_STATES))
    order = fields.String(load_default="created", validate=validate.OneOf(tuple(DATASET_ORDERS)))


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
        validate=_NAME,
        metadata={"description": "part of the name of the job, or of its data set"},
    )
    order = fields.String(
        load_default="created",
        validate=validate.OneOf(tuple(JOB_ORDERS)),
        metadata={"description": "ended leaves out those that have not"},
    )


class PreviewQuery(Shape):
    """How many rows to show."""

    rows = fields.Integer(load_default=20, validate=validate.Range(min=1, max=50))


class ThumbnailQuery(Shape):
    """How large a thumbnail to make."""

    size = fields.Integer(load_default=96, validate=validate.Range(min=16, max=512))


class LogQuery(Shape):
    """How much of a log to show."""

    tail = fields.Integer(load_default=200, validate=validate.Range(min=1, max=10_000))


class ArtifactQuery(Shape):
    """Whose artifacts to list."""

    job = fields.String(required=True)


class PredictionQuery(Page):
    """Which predictions to list."""

    job = fields.String(load_default=None)
    state = fields.String(load_default=None, validate=validate.OneOf(PREDICTION_STATES))


class RowsQuery(Shape):
    """How many rows of a result to show."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class DatasetSummary(Answer):
    """A data set in a list."""

    id = fields.String()
    name = fields.String()
    state = fields.String(validate=validate.OneOf(DATASET_STATES))
    created_at = fields.DateTime()
    rows = fields.Integer()
    n_columns = fields.Integer()
    files = fields.Integer()
    bytes = fields.Integer(attribute="bytes_total")
    schema_state = fields.String(validate=_SCHEMA_STATES)
    staging_state = fields.String(validate=_STAGING_STATES)


class Health(Answer):
    """That the API answers."""

    status = fields.String(validate=validate.Equal("ok"))


class Track(Answer):
    """How far schema detection is."""

    state = fields.String(validate=_SCHEMA_STATES)
    reason = fields.String(allow_none=True)


class StagingTrack(Answer):
    """How far staging is."""

    state = fields.String(validate=_STAGING_STATES)
    reason = fields.String(allow_none=True)
    bytes_done = fields.Integer()
    bytes_total = fields.Integer()


class DatasetDetail(DatasetSummary):
    """A data set with both tracks and its schema."""

    reason = fields.String(allow_none=True)
    schema_track = fields.Nested(Track)
    staging_track = fields.Nested(StagingTrack)
    schema = _of("DatasetSchema")
    train_file = fields.String(allow_none=True, metadata={"description": "where the table is, once staged"})
    train_folder = fields.String(allow_none=True, metadata={"description": "where its images are"})


class DatasetPreview(Answer):
    """The first rows of a data set."""

    columns = fields.List(fields.String())
    rows = fields.List(fields.List(fields.String(allow_none=True)))
    thumbnails = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String(allow_none=True)),
        metadata={"description": "for each row, by image column, the URL of its thumbnail"},
    )
    schema_complete = fields.Boolean()
    column_stats = fields.List(_of("ColumnProfile"))


class DatasetPage(Listed):
    """One page of data sets."""

    items = fields.List(fields.Nested(DatasetSummary))


class Upload(Answer):
    """An upload in chunks."""

    id = fields.String(metadata={"description": "the data set's, too, once it is one"})
    name = fields.String(allow_none=True)
    fingerprint = fields.String()
    state = fields.String(validate=validate.OneOf(("open", "completed", "refused")))
    reason = fields.String(allow_none=True)
    offset = fields.Integer(metadata={"description": "bytes that are there for good"})
    length = fields.Integer()
    files = fields.Integer()
    way = fields.String(
        validate=validate.OneOf(("spool", "store")),
        metadata={
            "description": "spool: bytes are sent by PATCH /api/uploads/<id>/; store: as parts, to addresses that "
            "POST /api/datasets/<id>/parts/ gives"
        },
    )
    chunk_bytes = fields.Integer(
        metadata={"description": "spool: most bytes of one PATCH; store: bytes of every part but the last"}
    )
    created_at = fields.DateTime()
    expires_at = fields.DateTime()


class PartWish(Shape):
    """A part of an upload that goes straight to the object store."""

    number = fields.Integer(required=True, strict=True, metadata={"description": "from 1 on"})
    crc32 = fields.String(
        required=True,
        validate=validate.Length(max=20),
        metadata={"description": "of its bytes, big-endian, in base64; S3 refuses others"},
    )


class SignedPart(Answer):
    """Where a part goes: PUT its bytes there with these headers."""

    url = fields.String()
    headers = fields.Dict(keys=fields.String(), values=fields.String())


class UploadList(Answer):
    """Uploads under way."""

    items = fields.List(fields.Nested(Upload))


class UploadQuery(Shape):
    """Which uploads to list."""

    fingerprint = fields.String(load_default=None, validate=validate.Length(max=128))


class UploadFile(Answer):
    """A file of an upload."""

    field = fields.String()
    name = fields.String()
    size = fields.Integer()
    modified = fields.Integer(allow_none=True)


class UploadFiles(Answer):
    """The files of an upload, in the order of their bytes."""

    items = fields.List(fields.Nested(UploadFile))


class ChunkHeaders(Shape):
    """Where a chunk belongs, and what it should come to (tus 1.0)."""

    version = fields.String(required=True, data_key="Tus-Resumable", validate=validate.Equal("1.0.0"))
    # int() takes "1_000" and full-width digits
    offset = fields.String(
        required=True,
        data_key="Upload-Offset",
        validate=validate.Regexp(re.compile(r"[0-9]{1,18}\Z", re.ASCII)),
    )
    checksum = fields.String(
        data_key="Upload-Checksum",
        load_default=None,
        validate=validate.Length(max=200),
        metadata={"description": "sha1, sha256 or crc32, a blank, the digest in base64"},
    )


class ColumnChange(Shape):
    """What a person decides about one column."""

    type = fields.String(validate=_TYPES)
    role = fields.String(validate=_ROLES)


class DatasetColumns(Answer):
    """What was detected, the overrides, and the outcome."""

    detected = _of("DatasetSchema")
    overrides = fields.Dict(keys=fields.String(), values=fields.Nested(ColumnChange))
    columns = fields.List(_of("EffectiveColumn"))
    target = fields.String(allow_none=True)


class SchemaChange(Shape):
    """What a person decides about a data set's columns."""

    columns = fields.Dict(keys=fields.String(), values=fields.Nested(ColumnChange), load_default=dict)
    target = fields.String(load_default=None)


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


class JobWish(Shape):
    """What to train; everything left out is taken from the data set's schema and the defaults."""

    dataset_id = fields.String(required=True)
    name = fields.String(load_default=None, validate=_NAME)
    model = fields.String(load_default="multimodal")
    target = fields.String()
    feature_columns = fields.List(fields.String())
    column_types = fields.Dict(keys=fields.String(), values=fields.String(validate=_TYPES))
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


class Finding(Answer):
    """One thing to know before a training is paid for; contracts.preflight says more of each field."""

    code = fields.String(validate=validate.OneOf([code.value for code in Code]))
    severity = fields.String(validate=validate.OneOf([severity.value for severity in Severity]))
    message = fields.String()
    columns = fields.List(fields.String())
    rows = fields.List(fields.Integer())
    values = fields.List(fields.String())
    overridable = fields.Boolean()
    ignored = fields.Boolean()


class Preflight(Answer):
    """What the checks found, errors first."""

    version = fields.Integer()
    rows = fields.Integer()
    rows_in_table = fields.Integer(allow_none=True)
    images = fields.Integer()
    findings = fields.List(fields.Nested(Finding))


class Limit(Answer):
    """A limit that the platform sets itself."""

    setting = fields.String(metadata={"description": "the variable that sets it"})
    most = fields.Integer(metadata={"description": "the most allowed; 0: no limit"})
    used = fields.Integer(metadata={"description": "how much there is"})


class Problem(Shape):
    """A problem document (RFC 9457)."""

    class Meta:
        """A problem may say more than this."""

        unknown = INCLUDE

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "what was wrong, and what is allowed"})
    errors = fields.Dict(metadata={"description": "what is wrong, by field"})
    findings = fields.List(
        fields.Nested(Finding), metadata={"description": "where the checks before a job stop it"}
    )
    limit = fields.Nested(Limit, metadata={"description": "where one is reached"})
    offset = fields.Integer(metadata={"description": "where an upload goes on"})


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


class Model(Answer):
    """A model that can be trained."""

    name = fields.String()
    title = fields.String()
    description = fields.String()
    modalities = fields.List(fields.String())
    params_schema = fields.Dict(metadata={"description": "JSON Schema of its parameters"})


class ModelList(Answer):
    """The models on offer."""

    items = fields.List(fields.Nested(Model))


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


class LogTail(Answer):
    """The end of a job's log."""

    lines = fields.List(fields.String())
    source = fields.String(allow_none=True)
    truncated = fields.Boolean()


class PredictionWish(Shape):
    """What to predict: rows sent along, or a data set."""

    job_id = fields.String(required=True)
    dataset_id = fields.String(load_default=None)
    rows = fields.List(
        fields.Dict(keys=fields.String(), values=fields.Raw(allow_none=True)),
        load_default=None,
        validate=validate.Length(min=1),
        metadata={"description": "cells by column; what a row lacks is missing"},
    )
    images = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        load_default=dict,
        metadata={
            "description": "base64, or a data: URL of it, by the name that cells of the rows use; "
            "they may also name files of the data set the model was trained on"
        },
    )
    top_k = fields.Integer(
        load_default=None,
        strict=True,
        validate=validate.Range(min=1, max=1000),
        metadata={"description": "most probable classes to name, instead of every class's probability"},
    )
    contributions = fields.Boolean(
        load_default=False,
        metadata={"description": "also say what each modality added to the log-probability of the answer"},
    )


class Prediction(Answer):
    """A prediction, and how far it is."""

    id = fields.String()
    job_id = fields.String()
    dataset_id = fields.String(allow_none=True)
    name = fields.String()
    state = fields.String(validate=validate.OneOf(PREDICTION_STATES))
    reason = fields.String(allow_none=True)
    top_k = fields.Integer(allow_none=True)
    contributions = fields.Boolean()
    rows = fields.Integer()
    size = fields.Integer(metadata={"description": "bytes of the CSV"})
    notes = fields.List(fields.String(), metadata={"description": "what was assumed"})
    created_at = fields.DateTime()
    finished_at = fields.DateTime(allow_none=True)


class PredictionPage(Listed):
    """One page of predictions."""

    items = fields.List(fields.Nested(Prediction))


class PredictedRows(Answer):
    """The first rows of a result."""

    columns = fields.List(fields.String())
    rows = fields.List(fields.List(fields.String()))


class DeliveryQuery(Page):
    """Which deliveries to list."""

    state = fields.String(
        load_default="dead",
        validate=validate.OneOf(DELIVERY_STATES),
        metadata={"description": "dead: tried as often as allowed, or failed in a way that does not pass"},
    )
    queue = fields.String(load_default=None, validate=validate.OneOf(QUEUES))


class DeliverySummary(Answer):
    """An event on its way to one queue."""

    id = fields.Integer()
    state = fields.String(validate=validate.OneOf(DELIVERY_STATES))
    queue = fields.String()
    event = fields.String()
    event_id = fields.String()
    subject = fields.String(metadata={"description": "id of the data set, job or prediction it is about"})
    attempts = fields.Integer(metadata={"description": "tries, since it was last requeued"})
    last_error = fields.String()
    emitted_at = fields.DateTime()
    ended_at = fields.DateTime(
        allow_none=True, metadata={"description": "when it was handled, or given up for dead"}
    )
    instead = fields.String(
        allow_none=True,
        metadata={
            "description": "what to do instead of a requeue, where giving it up has ended what it was about; else null"
        },
    )


class DeliveryDetail(DeliverySummary):
    """A delivery, with what its event says."""

    data = fields.Dict()


class DeliveryPage(Listed):
    """One page of deliveries."""

    items = fields.List(fields.Nested(DeliverySummary))


class StandingLimit(Limit):
    """A limit, and what it counts."""

    counts = fields.String()


class Removal(Answer):
    """Something that will be removed from the object store, unless something refers to it by then."""

    key = fields.String(metadata={"description": "of an object, or of a folder"})
    why = fields.String()
    due_at = fields.DateTime()


class Maintenance(Answer):
    """How full the platform is, and what it will remove."""

    limits = fields.List(fields.Nested(StandingLimit))
    free_bytes = fields.Integer(metadata={"description": "of the disk where uploads arrive"})
    min_free_bytes = fields.Integer()
    removals = fields.List(fields.Nested(Removal), metadata={"description": "the first to go first"})
    removals_total = fields.Integer()


class AuditQuery(Page):
    """Which entries of the audit log to list."""

    who = fields.String(load_default=None, validate=_NAME, metadata={"description": "name of the caller"})
    action = fields.String(
        load_default=None,
        validate=validate.Length(max=64),
        metadata={"description": "e.g. training_jobs.start"},
    )
    object = fields.String(
        load_default=None,
        validate=validate.Length(max=200),
        metadata={"description": "e.g. training_jobs/ID"},
    )
    outcome = fields.String(load_default=None, validate=validate.OneOf(AUDIT_OUTCOMES))
    since = fields.AwareDateTime(load_default=None, default_timezone=UTC)
    until = fields.AwareDateTime(load_default=None, default_timezone=UTC)


class AuditEntry(Answer):
    """Who changed what, or was refused to."""

    id = fields.Integer()
    at = fields.DateTime()
    who = fields.String(allow_none=True, metadata={"description": "null where nobody had to sign in"})
    request_id = fields.String(metadata={"description": "as in X-Request-ID and in the logs"})
    method = fields.String()
    action = fields.String(metadata={"description": "the route, e.g. training_jobs.start"})
    object = fields.String(metadata={"description": "what it was about, e.g. training_jobs/ID"})
    outcome = fields.String(
        validate=validate.OneOf(AUDIT_OUTCOMES),
        metadata={"description": "refused: by access or by a conflict, and nothing was changed"},
    )


class AuditPage(Listed):
    """One page of the audit log."""

    items = fields.List(fields.Nested(AuditEntry))
