"""Bodies and query parameters of the REST API, for validation and for its OpenAPI page."""

from __future__ import annotations

import re

from marshmallow import Schema, fields, validate
from webargs.fields import DelimitedList

from contracts.preflight import Code, Severity
from contracts.schema import ColumnType, Role
from contracts.topology import QUEUES
from runtime.deliveries import STATES as DELIVERY_STATES
from services.api.jobs import STATES
from services.api.specs import RESOURCES

_TYPES = validate.OneOf([kind.value for kind in ColumnType])
_ROLES = validate.OneOf([role.value for role in Role])
_NAME = validate.Length(max=300)
_CPUS = validate.Range(min=0.25, max=192)
_MEMORY_MB = validate.Range(min=256, max=2_000_000)


class Page(Schema):
    """One page of a list."""

    page = fields.Integer(load_default=1, validate=validate.Range(min=1, max=10**6))
    page_size = fields.Integer(load_default=50, validate=validate.Range(min=1))


class Listed(Schema):
    """What every page of a list says beside its items."""

    total = fields.Integer()
    page = fields.Integer()
    page_size = fields.Integer()


class DatasetQuery(Page):
    """Which data sets to list."""

    search = fields.String(load_default="", validate=_NAME)
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=100),
        metadata={"description": "next_cursor of the page before, instead of page"},
    )


class JobQuery(Page):
    """Which jobs to list."""

    state = DelimitedList(
        fields.String(validate=validate.OneOf(STATES)),
        load_default=(),
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
        validate=validate.OneOf(("created", "ended")),
        metadata={"description": "by which time, latest first; ended leaves out those that have not"},
    )


class PreviewQuery(Schema):
    """How many rows to show."""

    rows = fields.Integer(load_default=20, validate=validate.Range(min=1, max=50))


class ThumbnailQuery(Schema):
    """How large a thumbnail to make."""

    size = fields.Integer(load_default=96, validate=validate.Range(min=16, max=512))


class LogQuery(Schema):
    """How much of a log to show."""

    tail = fields.Integer(load_default=200, validate=validate.Range(min=1, max=10_000))


class ArtifactQuery(Schema):
    """Whose artifacts to list."""

    job = fields.String(required=True)


class PredictionQuery(Page):
    """Which predictions to list."""

    job = fields.String(load_default=None)


class RowsQuery(Schema):
    """How many rows of a result to show."""

    limit = fields.Integer(load_default=100, validate=validate.Range(min=1, max=1000))


class DatasetSummary(Schema):
    """A data set in a list."""

    id = fields.String()
    name = fields.String()
    state = fields.String()
    created_at = fields.DateTime()
    rows = fields.Integer()
    n_columns = fields.Integer()
    files = fields.Integer()
    bytes = fields.Integer(attribute="bytes_total")
    schema_state = fields.String()
    staging_state = fields.String()


class DatasetPage(Listed):
    """One page of data sets."""

    items = fields.List(fields.Nested(DatasetSummary))
    page = fields.Integer(metadata={"description": "as asked for; 1 where a cursor was given"})
    next_cursor = fields.String(allow_none=True)


class Upload(Schema):
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


class PartWish(Schema):
    """A part of an upload that goes straight to the object store."""

    number = fields.Integer(required=True, strict=True, metadata={"description": "from 1 on"})
    crc32 = fields.String(
        required=True,
        validate=validate.Length(max=20),
        metadata={"description": "of its bytes, big-endian, in base64; S3 refuses others"},
    )


class SignedPart(Schema):
    """Where a part goes: PUT its bytes there with these headers."""

    url = fields.String()
    headers = fields.Dict(keys=fields.String(), values=fields.String())


class UploadList(Schema):
    """Uploads under way."""

    items = fields.List(fields.Nested(Upload))


class UploadQuery(Schema):
    """Which uploads to list."""

    fingerprint = fields.String(load_default=None, validate=validate.Length(max=128))


class UploadFile(Schema):
    """A file of an upload."""

    field = fields.String()
    name = fields.String()
    size = fields.Integer()
    modified = fields.Integer(allow_none=True)


class UploadFiles(Schema):
    """The files of an upload, in the order of their bytes."""

    items = fields.List(fields.Nested(UploadFile))


class ChunkHeaders(Schema):
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


class ColumnChange(Schema):
    """What a person decides about one column."""

    type = fields.String(validate=_TYPES)
    role = fields.String(validate=_ROLES)


class SchemaChange(Schema):
    """What a person decides about a data set's columns."""

    columns = fields.Dict(keys=fields.String(), values=fields.Nested(ColumnChange), load_default=dict)
    target = fields.String(load_default=None)


class Resources(Schema):
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


class MachineQuery(Schema):
    """What a job would ask for."""

    cpus = fields.Float(load_default=RESOURCES["cpus"], validate=_CPUS)
    memory_mb = fields.Integer(load_default=RESOURCES["memory_mb"], validate=_MEMORY_MB)


class Price(Schema):
    """What a machine costs while a job has it."""

    currency = fields.String()
    per_hour = fields.Float()


class Machine(Schema):
    """What a job would run on."""

    launcher = fields.String()
    cpus = fields.Float()
    memory_mb = fields.Integer()
    max_seconds = fields.Integer(metadata={"description": "longest run of a job that sets none itself"})
    price = fields.Nested(
        Price, allow_none=True, metadata={"description": "null where nothing is paid by the hour"}
    )


class JobWish(Schema):
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


class Finding(Schema):
    """One thing to know before a training is paid for; contracts.preflight says more of each field."""

    code = fields.String(validate=validate.OneOf([code.value for code in Code]))
    severity = fields.String(validate=validate.OneOf([severity.value for severity in Severity]))
    message = fields.String()
    columns = fields.List(fields.String())
    rows = fields.List(fields.Integer())
    values = fields.List(fields.String())
    overridable = fields.Boolean()
    ignored = fields.Boolean()


class Preflight(Schema):
    """What the checks found, errors first."""

    version = fields.Integer()
    rows = fields.Integer()
    rows_in_table = fields.Integer(allow_none=True)
    images = fields.Integer()
    findings = fields.List(fields.Nested(Finding))


class Limit(Schema):
    """A limit that the platform sets itself."""

    setting = fields.String(metadata={"description": "the variable that sets it"})
    most = fields.Integer(metadata={"description": "the most allowed; 0: no limit"})
    used = fields.Integer(metadata={"description": "how much there is"})


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    errors = fields.Dict(metadata={"description": "what is wrong, by field"})
    findings = fields.List(
        fields.Nested(Finding), metadata={"description": "where the checks before a job stop it"}
    )
    limit = fields.Nested(Limit, metadata={"description": "where one is reached"})


class Step(Schema):
    """One state a job went through."""

    state = fields.String(
        metadata={"description": "also interrupted: an attempt ended that the next one follows by itself"}
    )
    at = fields.DateTime()
    reason = fields.String(allow_none=True)
    attempt = fields.Integer()


class JobSummary(Schema):
    """A job in a list."""

    id = fields.String()
    name = fields.String()
    dataset_id = fields.String()
    dataset_name = fields.String()
    model = fields.String()
    target = fields.String()
    state = fields.String()
    reason = fields.String(allow_none=True)
    attempt = fields.Integer()
    last_attempt = fields.Integer(
        metadata={"description": "the attempt after which it is not tried again by itself"}
    )
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    metrics = fields.Dict()


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


class Artifact(Schema):
    """One result of a job."""

    name = fields.String()
    uri = fields.String()
    size = fields.Integer()
    sha256 = fields.String()
    download_url = fields.String()


class ArtifactList(Schema):
    """The results of a job."""

    items = fields.List(fields.Nested(Artifact))


class LogTail(Schema):
    """The end of a job's log."""

    lines = fields.List(fields.String())
    source = fields.String(allow_none=True)
    truncated = fields.Boolean()


class PredictionWish(Schema):
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


class Prediction(Schema):
    """A prediction, and how far it is."""

    id = fields.String()
    job_id = fields.String()
    dataset_id = fields.String(allow_none=True)
    name = fields.String()
    state = fields.String(validate=validate.OneOf(("waiting", "running", "succeeded", "failed")))
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


class PredictedRows(Schema):
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


class DeliverySummary(Schema):
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


class Removal(Schema):
    """Something that will be removed from the object store, unless something refers to it by then."""

    key = fields.String(metadata={"description": "of an object, or of a folder"})
    why = fields.String()
    due_at = fields.DateTime()


class Maintenance(Schema):
    """How full the platform is, and what it will remove."""

    limits = fields.List(fields.Nested(StandingLimit))
    free_bytes = fields.Integer(metadata={"description": "of the disk where uploads arrive"})
    min_free_bytes = fields.Integer()
    removals = fields.List(fields.Nested(Removal), metadata={"description": "the first to go first"})
    removals_total = fields.Integer()
