"""The HTTP routes: the callback, and a job's history whole and thinned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import marshmallow as ma
from flask import Response, g, request

from contracts.callback import ATTEMPT_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, TOKEN_HEADER
from runtime.arguments import Blueprint
from runtime.errors import Invalid
from services.metrics.endpoint import FAILED, ROUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.access.guard import Guard
    from services.metrics.history import History, Page
    from services.metrics.hub import Hub
    from services.metrics.receiver import Receiver
    from services.metrics.settings import MetricsSettings

JOB_ID = r"^[A-Za-z0-9_-]{1,64}$"
_DEFAULT_LIMIT = 5000
_DEFAULT_POINTS = 2000


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    settings: MetricsSettings
    receiver: Receiver
    history: History
    hub: Hub
    guard: Guard
    require_job: Callable[
        [str, str], None
    ]  # raises NotFound where the job is not of the workspace, or deleted


class HistoryQuery(ma.Schema):
    """Query of GET /api/metrics/."""

    job = ma.fields.String(required=True, validate=ma.validate.Regexp(JOB_ID))
    after = ma.fields.Integer(
        load_default=0,
        validate=ma.validate.Range(min=0, max=10**15),
        metadata={"description": "number of the last item that is not wanted"},
    )
    limit = ma.fields.Integer(
        load_default=_DEFAULT_LIMIT,
        validate=ma.validate.Range(min=1),
        metadata={"description": "most items wanted; the server may give fewer"},
    )


class CurvesQuery(ma.Schema):
    """Query of GET /api/metrics/curves/."""

    job = ma.fields.String(required=True, validate=ma.validate.Regexp(JOB_ID))
    points = ma.fields.Integer(
        load_default=_DEFAULT_POINTS,
        validate=ma.validate.Range(min=10, max=100_000),
        metadata={"description": "about how many points are wanted of each split"},
    )
    first_epoch = ma.fields.Float(metadata={"description": "with last_epoch: these epochs' points alone"})
    last_epoch = ma.fields.Float()

    @ma.validates_schema
    def both_or_none(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse half a range."""
        if ("first_epoch" in data) != ("last_epoch" in data):
            raise ma.ValidationError("first_epoch and last_epoch go together")


class StreamItem(ma.Schema):
    """One numbered item of a job."""

    seq = ma.fields.Integer(required=True, metadata={"description": "1, 2, 3, … without a gap"})
    kind = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["point", "evaluation", "state", "artifact"])
    )
    attempt = ma.fields.Integer(required=True)
    at = ma.fields.DateTime(required=True)
    data = ma.fields.Dict(required=True)


class ItemPage(ma.Schema):
    """Answer of GET /api/metrics/."""

    items = ma.fields.List(ma.fields.Nested(StreamItem), required=True)
    last = ma.fields.Integer(required=True, metadata={"description": "number of the job's newest item"})


def blueprint(parts: Parts) -> Blueprint:
    """Make the routes."""
    blp = Blueprint("metrics", __name__, description="Reports of trainers: in, and out to viewers")

    @blp.route(ROUTE, methods=["PATCH"])
    @blp.doc(**_CALLBACK_DOC)
    def receive_callback(job_id: str) -> Response:
        """Take a trainer's report."""
        if failed := request.environ.pop(FAILED, None):
            raise failed
        check_job_id(job_id)
        parts.receiver.receive(job_id, request.environ, request.get_data(cache=False))
        return Response(status=204)

    @blp.route("/api/metrics/", methods=["GET"])
    @blp.arguments(HistoryQuery, location="query")
    @blp.response(200, ItemPage)
    def list_items(query: dict[str, Any]) -> Response:
        """List a job's items in the order of their numbers."""
        parts.require_job(query["job"], g.principal.workspace)
        limit = min(query["limit"], parts.settings.history_max_items)
        return _listed(parts.history.page(query["job"], query["after"], limit))

    @blp.route("/api/metrics/curves/", methods=["GET"])
    @blp.arguments(CurvesQuery, location="query")
    @blp.response(200, ItemPage)
    def list_thinned(query: dict[str, Any]) -> Response:
        """List what a late viewer draws: of many points the least and the greatest in each stretch, other items whole."""
        parts.require_job(query["job"], g.principal.workspace)
        epochs = (query["first_epoch"], query["last_epoch"]) if "first_epoch" in query else None
        return _listed(parts.history.thinned(query["job"], query["points"], epochs))

    return blp


def _listed(page: Page) -> Response:
    listed = ",".join(item.to_json() for item in page.items)
    return Response(f'{{"items":[{listed}],"last":{page.last_seq}}}', mimetype="application/json")


def check_job_id(job_id: str) -> None:
    """Raise Invalid where it cannot be a job's."""
    if re.fullmatch(JOB_ID, job_id, re.ASCII) is None:
        raise Invalid(
            "job_id: must be 1 to 64 letters, digits, '_' or '-'", {"job_id": [f"must match {JOB_ID}"]}
        )


def header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    """Describe a header of a request, as OpenAPI does."""
    schema = {"type": "string"}
    return {"in": "header", "name": name, "required": required, "description": description, "schema": schema}


_CALLBACK_DOC: dict[str, Any] = {
    "parameters": [
        header(TOKEN_HEADER, '<exp>.<hex hmac_sha256("{job_id}.{exp}", secret)>', required=True),
        header(ATTEMPT_HEADER, "the attempt; its presence makes the callback version 2"),
        header(TIMESTAMP_HEADER, "Unix seconds (version 2)"),
        header(SIGNATURE_HEADER, "v2=<hex hmac over job, attempt, time and body> (version 2)"),
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CallbackBody"}}},
    },
    "responses": {
        "204": {"description": "stored, or known before"},
        "401": {"description": "not authentic; the detail says which check failed"},
        "409": {"description": "the attempt is over, or its job was deleted"},
        "413": {"description": "the body is too large"},
        "422": {"description": "the body is malformed; the detail names the field"},
        "429": {"description": "the job sends too many; Retry-After says when to send this one again"},
    },
}
