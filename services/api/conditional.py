"""ETags: an answer that has not changed is not sent again, and a change made on an old view is refused (RFC 9110)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from flask import jsonify, request
from werkzeug.exceptions import PreconditionFailed

if TYPE_CHECKING:
    from flask import Flask, Response

_OK = 200
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "ETag of the view on which the change is made; 412 where there is a newer one. Without it, the last change wins",
}


def install(app: Flask) -> None:
    """Give an app's JSON answers ETags, and answer If-None-Match with 304."""

    @app.after_request
    def _tag(response: Response) -> Response:
        if response.status_code != _OK or response.mimetype != "application/json" or response.is_streamed:
            return response
        if request.method in {"GET", "HEAD", "PATCH"}:
            response.set_etag(_tag_of(response))
        if request.method in {"GET", "HEAD"}:
            response.headers.setdefault(
                "Cache-Control", "private, no-cache"
            )  # kept, but asked about each time
            response.make_conditional(request)
        return response


def expect(view: dict[str, Any]) -> None:
    """Refuse the present request where it was made on another view than the present one.

    Args:
        view: What GET answers now; the transaction that changes it holds it.

    Raises:
        PreconditionFailed: If-Match names other ones.
    """
    if request.if_match and not request.if_match.contains(_tag_of(jsonify(view))):
        raise PreconditionFailed(
            "Somebody changed this since you read it (If-Match does not name its present ETag). Read it again, and decide anew."
        )


def _tag_of(response: Response) -> str:
    return hashlib.sha256(response.get_data()).hexdigest()[:32]
