"""Routes of data sets."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Response, request
from werkzeug.http import parse_options_header

from contracts.events import DatasetSchemaDetected, DatasetSchemaFailed, DatasetUploaded
from contracts.topology import API, SCHEMA, STAGING
from runtime import deliveries, log
from runtime.arguments import Blueprint
from runtime.errors import Invalid
from runtime.web import InsufficientStorage
from services.api import conditional, datasets, intake, preview, schemas
from services.api.context import listed
from services.api.deadletters import words_of
from services.api.files import look_twice
from services.api.unpacking import Limits
from services.api.wire import datasets as wire_datasets
from services.api.wire import errors as wire_errors
from tabular.errors import Unreadable
from tabular.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.orm import Session

    from contracts.schema import DatasetSchema
    from runtime.deliveries import Stuck
    from services.api.context import Context
    from services.api.models import Dataset
    from services.api.settings import ApiSettings

_OF_SCHEMA = (DatasetSchemaDetected.NAME, DatasetSchemaFailed.NAME)


def blueprint(context: Context) -> Blueprint:
    """Make the routes over their collaborators."""
    routes = Blueprint(
        "datasets", __name__, url_prefix="/api/datasets", description="Tables with their images"
    )
    db, outbox = context.db, context.outbox

    @routes.post("/upload_and_detect/")
    @routes.doc(requestBody=_UPLOAD_BODY)
    @routes.alt_response(
        201,
        schema=wire_datasets.DatasetDetail,
        success=True,
        description="The data set, and the schema of its first rows",
    )
    @routes.alt_response(507, schema=wire_errors.Problem, description="There is no room for so many bytes")
    def upload_and_detect() -> tuple[dict[str, Any], int]:
        """Upload a CSV with images or a zip; staging and full detection go on in the background."""
        context.quotas.admit_event(DatasetUploaded.NAME)
        context.quotas.admit_bytes(request.content_length or 0)
        dataset_id = datasets.new_id()
        with log.bound(dataset_id=dataset_id):
            upload = _receive(context, dataset_id)
            try:
                dataset = register(context, dataset_id, upload)
            except BaseException:
                datasets.drop_spool(context.settings.spool_dir, dataset_id)
                raise
        return view(dataset), 201

    @routes.get("/")
    @routes.arguments(wire_datasets.DatasetQuery, location="query")
    @routes.response(200, wire_datasets.DatasetPage)
    def list_datasets(query: dict[str, Any]) -> dict[str, Any]:
        """List data sets."""
        part = context.part(query)
        with db.read() as session:
            return listed(part, datasets.page(session, query["search"], query["state"], query["order"], part))

    @routes.get("/<dataset_id>/")
    @routes.alt_response(200, schema=wire_datasets.DatasetDetail, success=True)
    def show(dataset_id: str) -> dict[str, Any]:
        """Show one data set."""
        with db.read() as session:
            stuck = deliveries.stuck(session, dataset_id, (SCHEMA, STAGING, API))
            return view(datasets.get(session, dataset_id), stuck)

    @routes.delete("/<dataset_id>/")
    @routes.response(204)
    @routes.alt_response(409, schema=wire_errors.Problem, description="A job that uses it has not ended")
    def delete(dataset_id: str) -> None:
        """Delete a data set, its ended jobs and its objects."""
        with db.write() as session:
            datasets.delete(session, outbox, dataset_id)
        datasets.drop_spool(context.settings.spool_dir, dataset_id)

    @routes.get("/<dataset_id>/preview/")
    @routes.arguments(wire_datasets.PreviewQuery, location="query")
    @routes.alt_response(200, schema=wire_datasets.DatasetPreview, success=True)
    def show_preview(query: dict[str, Any], dataset_id: str) -> dict[str, Any]:
        """Show the first rows with thumbnails, and statistics of every column."""
        with db.read() as session:
            dataset = datasets.get(session, dataset_id)
            rows, files = dataset.preview["rows"][: query["rows"]], dataset.preview["files"][: query["rows"]]
            return {
                "columns": dataset.preview["columns"],
                "rows": rows,
                "thumbnails": [
                    {column: _url(dataset_id, path) for column, path in row.items()} for row in files
                ],
                "schema_complete": dataset.detected["complete"],
                "column_stats": dataset.detected["columns"],
            }

    @routes.get("/<dataset_id>/files/<path:path>")
    @routes.arguments(wire_datasets.ThumbnailQuery, location="query")
    @routes.alt_response(200, schema=_FILE, content_type="image/webp", success=True)
    def thumbnail(query: dict[str, Any], dataset_id: str, path: str) -> Response:
        """Show one uploaded image as a thumbnail."""
        image = _thumbnail(context, dataset_id, path, query["size"])
        # An uploaded file never changes, so a browser may keep it
        return Response(
            image, mimetype="image/webp", headers={"Cache-Control": "private, max-age=86400, immutable"}
        )

    @routes.get("/<dataset_id>/schema/")
    @routes.alt_response(200, schema=wire_datasets.DatasetColumns, success=True)
    def show_schema(dataset_id: str) -> dict[str, Any]:
        """Show every column's type and role, and why."""
        with db.read() as session:
            return schema_view(datasets.get(session, dataset_id))

    @routes.patch("/<dataset_id>/schema/")
    @routes.arguments(wire_datasets.SchemaChange)
    @routes.doc(parameters=[conditional.IF_MATCH])
    @routes.alt_response(200, schema=wire_datasets.DatasetColumns, success=True)
    @routes.alt_response(
        412, schema=wire_errors.Problem, description="It was changed since the view that If-Match names"
    )
    def change_schema(body: dict[str, Any], dataset_id: str) -> dict[str, Any]:
        """Override columns' types and roles, and choose the target."""
        with db.write() as session:
            dataset = datasets.get(session, dataset_id, lock=True)
            conditional.expect(schema_view(dataset))
            schemas.change(dataset, body["columns"], body["target"])
            return schema_view(dataset)

    return routes


def _thumbnail(context: Context, dataset_id: str, path: str, size: int) -> bytes:
    def look() -> bytes:
        with context.db.read() as session:
            dataset = datasets.get(session, dataset_id)
        return context.files.thumbnail(dataset, path, size)

    return look_twice(look)


def register(
    context: Context,
    dataset_id: str,
    upload: intake.Upload,
    also: Callable[[Session], object] = lambda _session: None,
) -> Dataset:
    """Make a data set of an upload that lies complete in the spool.

    Args:
        context: The collaborators.
        dataset_id: Also the name of its spool folder.
        upload: What was received.
        also: Further changes in the same transaction.

    Raises:
        Invalid: The table cannot be read.
        OverLimit: There are as many data sets as allowed.
        OutOfRoom: They have as many bytes as allowed.
    """
    found = _detect_head(upload, context.settings)
    first = preview.head(upload, found)
    with context.db.write() as session:
        context.quotas.admit_dataset(session, upload.table_bytes + upload.file_bytes, dataset_id)
        dataset = datasets.register(session, context.outbox, dataset_id, upload, found, first)
        also(session)
    return dataset


def view(dataset: Dataset, stuck: Sequence[Stuck] = ()) -> dict[str, Any]:
    """Give a data set as the API shows it.

    Args:
        dataset: The row.
        stuck: What of it does not get on: the reason of a track that has not ended.
    """
    of_schema = [item for item in stuck if item.queue == SCHEMA or item.event in _OF_SCHEMA]
    of_staging = [item for item in stuck if item not in of_schema]
    reads, stores = dataset.schema_state not in datasets.ENDED, dataset.staging_state not in datasets.ENDED
    return {
        **wire_datasets.DatasetSummary().dump(dataset),
        "reason": dataset.schema_reason or dataset.staging_reason,
        "schema_track": {
            "state": dataset.schema_state,
            "reason": dataset.schema_reason or (words_of(of_schema) if reads else None),
        },
        "staging_track": {
            "state": dataset.staging_state,
            "reason": dataset.staging_reason or (words_of(of_staging) if stores else None),
            "bytes_done": dataset.bytes_done,
            "bytes_total": dataset.bytes_total,
        },
        "schema": dataset.detected,
        "train_file": dataset.train_file,
        "train_folder": dataset.train_folder,
    }


def schema_view(dataset: Dataset) -> dict[str, Any]:
    """Give a data set's schema as the API shows it."""
    return {
        "detected": dataset.detected,
        "overrides": dataset.overrides,
        "columns": [
            {**column.model_dump(mode="json"), "overridden": column.name in dataset.overrides}
            for column in schemas.effective(dataset)
        ],
        "target": schemas.target_of(dataset),
    }


def _receive(context: Context, dataset_id: str) -> intake.Upload:
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise Invalid(
            "Send multipart/form-data with the CSV as the part 'file', and images as 'images' or a zip as 'archive'."
        )
    settings = context.settings
    with full_disk_is("There is no room for this upload on the server; nothing of it was kept."):
        return intake.receive(
            request.stream,
            options["boundary"].encode(),
            request.content_length,
            settings.spool_dir / dataset_id,
            Limits.of(settings),
        )


@contextmanager
def full_disk_is(what: str) -> Iterator[None]:
    """Answer 507 with these words where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise InsufficientStorage(what) from None
        raise


def _detect_head(upload: intake.Upload, settings: ApiSettings) -> DatasetSchema:
    try:
        found = profile_table(
            upload.table, files=upload.files, max_rows=settings.head_rows, max_columns=settings.max_columns
        )
        return found if upload.whole else found.model_copy(update={"complete": False})
    except Unreadable as error:
        raise Invalid(
            f"{upload.table_name!r} cannot be read as a table: {error}", {"file": [str(error)]}
        ) from None


def _url(dataset_id: str, path: str | None) -> str | None:
    return path and f"/api/datasets/{dataset_id}/files/{quote(path)}"


_FILE = {"type": "string", "format": "binary"}
_UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {
                        **_FILE,
                        "description": "the CSV; may be left out where the archive holds exactly one",
                    },
                    "images": {"type": "array", "items": _FILE, "description": "file names may hold folders"},
                    "archive": {**_FILE, "description": "a zip of images"},
                    "name": {"type": "string", "maxLength": 300},
                },
            }
        }
    },
}
