"""The HTTP routes of the event streams: of a job, and of what changes in a workspace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Response, g, request

from contracts import changes, live
from runtime.arguments import Blueprint
from runtime.errors import Invalid
from services.metrics import pulse
from services.metrics.changes import ChangeStream
from services.metrics.connection import watch
from services.metrics.routes import check_job_id, header
from services.metrics.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.metrics.mailbox import Mailbox
    from services.metrics.routes import Parts

_SEQ = re.compile(r"[0-9]{1,15}", re.ASCII)
FREE = {"streams.stream_events", "streams.stream_changes"}  # of the limit on requests


def blueprint(parts: Parts) -> Blueprint:
    """Make the routes."""
    blp = Blueprint("streams", __name__, description="What happens, as it happens")

    @blp.route("/api/training_jobs/<string:job_id>/events/", methods=["GET"])
    @blp.doc(**_EVENTS_DOC)
    def stream_events(job_id: str) -> Response:
        """Stream a job's items: history, then live; `event: end` follows the end of the job.

        `event: log`, without content, says that the job's log has grown, or may have.
        """
        check_job_id(job_id)
        parts.require_job(job_id, g.principal.workspace)
        after = _last_event_id()
        mailbox = parts.hub.open(live.channel(job_id))
        stream = EventStream(
            job_id,
            mailbox,
            parts.hub,
            parts.history,
            _pulse(parts),
            after=after,
            page_items=parts.settings.events_page_items,
        )
        return _streamed(parts, mailbox, stream)

    @blp.route("/api/changes/", methods=["GET"])
    @blp.doc(**_CHANGES_DOC)
    def stream_changes() -> Response:
        """Stream what is made, changed or deleted in the workspace: its data sets, jobs and predictions, by their ids.

        There is no history: `event: look` says that something may have been missed, at the beginning, too.
        """
        mailbox = parts.hub.open(changes.channel(g.principal.workspace))
        return _streamed(parts, mailbox, ChangeStream(mailbox, parts.hub, _pulse(parts)))

    return blp


def _pulse(parts: Parts) -> pulse.Pulse:
    settings = parts.settings
    return pulse.Pulse(
        keep_alive_seconds=settings.events_keep_alive_seconds,
        poll_seconds=settings.events_poll_seconds,
        is_gone=watch(request.environ, settings.events_send_timeout_seconds),
        is_allowed=parts.guard.still(),
    )


def _streamed(parts: Parts, mailbox: Mailbox, stream: Iterable[bytes]) -> Response:
    response = Response(iter(stream), mimetype="text/event-stream", headers=pulse.HEADERS)
    response.call_on_close(lambda: parts.hub.leave(mailbox))
    return response


def _last_event_id() -> int:
    """Read where to start; the header, which a browser sends when it comes back, goes before the query."""
    for name, text in (
        ("Last-Event-ID", request.headers.get("Last-Event-ID", "")),
        ("after", request.args.get("after", "")),
    ):
        if text:
            if _SEQ.fullmatch(text) is None:
                raise Invalid(
                    f"{name}: must be the number of an item", {name: ["must be a whole number from 0"]}
                )
            return int(text)
    return 0


_STREAM_RESPONSES: dict[str, Any] = {
    "200": {
        "description": "Server-Sent Events",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    "503": {"description": "as many streams are open as this process may hold"},
}
_EVENTS_DOC: dict[str, Any] = {
    "parameters": [
        header("Last-Event-ID", "number of the last item received"),
        {
            "in": "query",
            "name": "after",
            "schema": {"type": "integer"},
            "description": "the same, for a first visit; one that the job has not reached means from now on",
        },
    ],
    "responses": _STREAM_RESPONSES,
}
_CHANGES_DOC: dict[str, Any] = {"responses": _STREAM_RESPONSES}
