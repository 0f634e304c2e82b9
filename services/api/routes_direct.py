"""Routes of uploads that go straight to the object store where it takes them: DESIGN's way for large data.

Begun here or by POST /api/uploads/, an upload says in its `way` where its bytes go. Both kinds are found again, looked at, given up
and completed by the same calls; only how a chunk is sent differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.arguments import Blueprint
from services.api.routes_uploads import (
    BEGIN_BODY,
    BEGIN_HEADERS,
    answers_of_completion,
    begin_upload,
    complete_upload,
    with_limits,
)
from services.api.wire import errors as wire_errors
from services.api.wire import uploads as wire_uploads

if TYPE_CHECKING:
    from services.api.context import Context


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint("direct", __name__, url_prefix="/api/datasets")

    @routes.post("/")
    @routes.doc(requestBody=BEGIN_BODY, tags=["uploads"])
    @routes.response(201, wire_uploads.Upload, headers=BEGIN_HEADERS)
    @with_limits(routes)
    def begin() -> tuple[dict[str, Any], int, dict[str, str]]:
        """Say which files are to come; the answer's `way` says where their bytes, one file after the other, are then sent."""
        return begin_upload(context, direct=True)

    @routes.post("/<dataset_id>/parts/")
    @routes.doc(tags=["uploads"])
    @routes.arguments(wire_uploads.PartWish)
    @routes.response(200, wire_uploads.SignedPart)
    @routes.alt_response(404, schema=wire_errors.Problem, description="There is no such upload, or no longer")
    @routes.alt_response(
        409, schema=wire_errors.Problem, description="Its bytes go another way, or it has ended"
    )
    def sign(body: dict[str, Any], dataset_id: str) -> dict[str, Any]:
        """Say where a part goes: PUT its bytes there. The address takes these bytes only, for DIRECT_LINK_SECONDS."""
        return context.uploads.sign(dataset_id, body["number"], body["crc32"])._asdict()

    @routes.post("/<dataset_id>/complete/")
    @routes.doc(tags=["uploads"])
    @answers_of_completion(routes)
    def complete(dataset_id: str) -> Any:
        """Make a data set of an upload that has all its bytes, whichever way they came."""
        return complete_upload(context, dataset_id)

    return routes
