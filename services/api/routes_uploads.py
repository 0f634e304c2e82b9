"""Routes of uploads in chunks: tus 1.0 (https://tus.io/protocols/resumable-upload) for the bytes of one upload.

What tus does not have is a list of files to begin with, and an end that makes a data set of them: two calls of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.http import http_date

from contracts.events import DatasetUploaded
from runtime import log
from runtime.arguments import Blueprint
from runtime.errors import NotFound
from runtime.web import problem
from services.api import checksum, completion, datasets
from services.api.routes_datasets import full_disk_is, register, view
from services.api.uploads import Misplaced
from services.api.wire import datasets as wire_datasets
from services.api.wire import errors as wire_errors
from services.api.wire import uploads as wire_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.api.context import Context
    from services.api.models import OpenUpload
    from services.api.uploads import Uploads

VERSION = "1.0.0"
CHUNK_TYPE = "application/offset+octet-stream"
_NO_ROOM = (
    "There is no room on the server for more of this upload. What is there is kept; go on when there is room."
)


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "uploads", __name__, url_prefix="/api/uploads", description="Uploads that can be resumed"
    )
    uploads = context.uploads
    _speak_tus(routes, context.settings.max_upload_bytes)
    _add_tus_calls(routes, uploads)

    @routes.post("/")
    @routes.doc(requestBody=BEGIN_BODY)
    @routes.response(201, wire_uploads.Upload, headers=BEGIN_HEADERS)
    @with_limits(routes)
    def begin() -> tuple[dict[str, Any], int, dict[str, str]]:
        """Say which files are to come; their bytes, one file after the other, are then sent by PATCH.

        A sender that asks for `direct` may be told another `way`, see POST /api/datasets/.
        """
        return begin_upload(context, direct=False)

    @routes.get("/")
    @routes.arguments(wire_uploads.UploadQuery, location="query")
    @routes.response(200, wire_uploads.UploadList)
    def list_uploads(query: dict[str, Any]) -> dict[str, Any]:
        """List those under way, newest first; by fingerprint a sender finds its own again."""
        return {"items": [shown(context, upload) for upload in _listed(uploads, query["fingerprint"])]}

    @routes.get("/<upload_id>/")
    @routes.response(200, wire_uploads.Upload)
    def show(upload_id: str) -> dict[str, Any]:
        """Show how far an upload is."""
        return shown(context, uploads.refreshed(uploads.get(upload_id)))

    @routes.get("/<upload_id>/files/")
    @routes.response(200, wire_uploads.UploadFiles)
    def files(upload_id: str) -> dict[str, Any]:
        """Show which files it has, to compare them with those at hand before going on."""
        return {"items": [file._asdict() for file in uploads.manifest(uploads.get(upload_id)).files]}

    @routes.post("/<upload_id>/complete/")
    @answers_of_completion(routes)
    def complete(upload_id: str) -> Any:
        """Make a data set of an upload that has all its bytes; staging and full detection go on in the background."""
        return complete_upload(context, upload_id)

    return routes


def answers_of_completion(routes: Blueprint) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Document what completing an upload answers."""
    data_set = "The data set, and the schema of its first rows, as upload_and_detect answers"

    def documented(route: Callable[..., Any]) -> Callable[..., Any]:
        for status, description in (
            (200, "It was made before; asking again changes nothing"),
            (201, data_set),
        ):
            route = routes.alt_response(
                status, schema=wire_datasets.DatasetDetail, success=True, description=description
            )(route)
        route = routes.alt_response(
            409,
            schema=wire_errors.Problem,
            description="Bytes are missing; Upload-Offset says from where on",
            headers=_AT,
        )(route)
        for status, description in (
            (423, "Another request is at it"),
            (507, "The disk is full; what is there is kept"),
        ):
            route = routes.alt_response(status, schema=wire_errors.Problem, description=description)(route)
        return route

    return documented


def with_limits(routes: Blueprint) -> Callable[[Any], Any]:
    """Document the refusals of what begins an upload."""

    def document(view: Any) -> Any:
        many = routes.alt_response(
            429, schema=wire_errors.Problem, description="A limit on number is reached; see Retry-After"
        )
        full = routes.alt_response(
            507, schema=wire_errors.Problem, description="There is no room for so many bytes"
        )
        return many(full(view))

    return document


def begin_upload(context: Context, *, direct: bool) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Begin an upload from the request's body; see `Uploads.begin`."""
    context.quotas.admit_event(DatasetUploaded.NAME)
    with full_disk_is(_NO_ROOM):
        upload = context.uploads.begin(request.stream, direct=direct)
    return shown(context, upload), 201, {"Location": f"/api/uploads/{upload.id}/", **_headers(upload)}


def complete_upload(context: Context, upload_id: str) -> Any:
    """Answer with the data set that an upload becomes, or has become."""
    if context.uploads.get(upload_id).state == "completed":
        with context.db.read() as session:
            return view(datasets.get(session, upload_id)), 200
    with log.bound(dataset_id=upload_id), full_disk_is(_NO_ROOM):
        try:
            with context.completion.of(upload_id) as upload:
                dataset = register(
                    context, upload_id, upload, lambda session: completion.close(session, upload_id)
                )
        except Misplaced as error:
            return _elsewhere(error)
    return view(dataset), 201


def shown(context: Context, upload: OpenUpload) -> dict[str, Any]:
    """Give an upload as the API shows it."""
    told = {name: getattr(upload, name, None) for name in wire_uploads.Upload().fields}
    return told | {"chunk_bytes": upload.part_bytes or context.settings.upload_chunk_bytes}


def _listed(uploads: Uploads, fingerprint: str | None) -> Iterator[OpenUpload]:
    """Give those under way; how far one in the store is costs a request, and is asked by its own sender alone."""
    for upload in uploads.find(fingerprint):
        try:
            yield upload if fingerprint is None else uploads.refreshed(upload)
        except NotFound:
            continue  # the store has given it up


def _add_tus_calls(routes: Blueprint, uploads: Uploads) -> None:
    # Added before GET, which would answer HEAD, too
    @routes.route("/<upload_id>/", methods=["HEAD"])
    @routes.doc(parameters=[_TUS])
    @routes.response(
        200, headers={"Upload-Offset": _NUMBER, "Upload-Length": _NUMBER, "Upload-Expires": _TEXT}
    )
    def offset(upload_id: str) -> Response:
        """Say from where to go on."""
        return Response(headers=_headers(uploads.refreshed(uploads.get(upload_id))))

    @routes.patch("/<upload_id>/")
    @routes.arguments(wire_uploads.ChunkHeaders, location="headers")
    @routes.doc(requestBody=_CHUNK_BODY)
    @routes.alt_response(409, schema=wire_errors.Problem, description="It has another offset", headers=_AT)
    @routes.alt_response(412, schema=wire_errors.Problem, description=_NO_TUS)
    @routes.alt_response(
        413, schema=wire_errors.Problem, description="More bytes than one chunk, or than the upload, may have"
    )
    @routes.alt_response(
        460,
        schema=wire_errors.Problem,
        description="The chunk does not have its checksum; nothing of it was kept",
    )
    @routes.alt_response(
        507, schema=wire_errors.Problem, description="The disk is full; what was acknowledged is kept"
    )
    @routes.response(204, headers={"Upload-Offset": _NUMBER, "Upload-Expires": _TEXT})
    def append(headers: dict[str, Any], upload_id: str) -> Response:
        """Add the bytes that follow, all or none of them."""
        if request.mimetype != CHUNK_TYPE:
            return problem(415, "Unsupported Media Type", f"A chunk is sent as {CHUNK_TYPE}.")
        check = checksum.parse(headers["checksum"]) if headers["checksum"] is not None else None
        with log.bound(dataset_id=upload_id), full_disk_is(_NO_ROOM):
            try:
                upload = uploads.append(upload_id, int(headers["offset"]), request.stream, check)
            except Misplaced as error:
                return _elsewhere(error)
        return Response(status=204, headers=_headers(upload))

    @routes.delete("/<upload_id>/")
    @routes.doc(parameters=[_TUS])
    @routes.response(204)
    @routes.alt_response(412, schema=wire_errors.Problem, description=_NO_TUS)
    def cancel(upload_id: str) -> None:
        """Give an upload up; its bytes are removed."""
        uploads.cancel(upload_id)


def _speak_tus(routes: Blueprint, most_bytes: int) -> None:
    @routes.before_request
    def _version() -> Response | None:
        if request.method in {"HEAD", "PATCH", "DELETE"} and request.headers.get("Tus-Resumable") != VERSION:
            answer = problem(412, "Precondition Failed", f"Send the header Tus-Resumable: {VERSION}.")
            answer.headers["Tus-Version"] = VERSION
            return answer
        return None

    @routes.after_request
    def _mark(response: Response) -> Response:
        response.headers["Tus-Resumable"] = VERSION
        response.headers["Cache-Control"] = "no-store"
        if request.method == "OPTIONS":
            response.headers["Tus-Version"] = VERSION
            response.headers["Tus-Extension"] = "checksum,expiration,termination"
            response.headers["Tus-Checksum-Algorithm"] = ",".join(checksum.ALGORITHMS)
            response.headers["Tus-Max-Size"] = str(most_bytes)
        return response


def _headers(upload: OpenUpload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": http_date(upload.expires_at),
    }


def _elsewhere(error: Misplaced) -> Response:
    answer = problem(409, "Conflict", str(error), offset=error.offset)
    answer.headers["Upload-Offset"] = str(error.offset)
    return answer


_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_NUMBER: dict[str, Any] = {"schema": {"type": "integer"}}
BEGIN_HEADERS = {"Location": _TEXT, "Upload-Expires": _TEXT}
_TUS = {
    "in": "header",
    "name": "Tus-Resumable",
    "required": True,
    "schema": {"type": "string", "enum": [VERSION]},
}
_AT = {"Upload-Offset": _NUMBER}
_NO_TUS = "Tus-Resumable is missing, or another version"
_CHUNK_BODY = {"required": True, "content": {CHUNK_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
BEGIN_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["files"],
                "properties": {
                    "name": {"type": "string", "maxLength": 300, "description": "of the data set"},
                    "direct": {
                        "type": "boolean",
                        "description": "whether the sender can PUT parts to addresses it is given, see POST /api/datasets/",
                    },
                    "fingerprint": {
                        "type": "string",
                        "maxLength": 128,
                        "description": "anything by which the sender finds the upload again",
                    },
                    "files": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["field", "name", "size"],
                            "properties": {
                                "field": {
                                    "type": "string",
                                    "enum": ["file", "images", "archive"],
                                    "description": "the CSV, an image, or a zip, as in upload_and_detect",
                                },
                                "name": {"type": "string", "description": "may hold folders"},
                                "size": {"type": "integer", "minimum": 0},
                                "modified": {
                                    "type": "integer",
                                    "minimum": 0,
                                    "description": "ms since 1970; compared only by the sender, when it goes on",
                                },
                            },
                        },
                    },
                },
            }
        }
    },
}
