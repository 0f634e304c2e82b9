"""Uploads, in chunks and straight to the object store."""

from __future__ import annotations

import re

from marshmallow import fields, validate

from services.api.wire.base import Answer, Shape


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


class UploadQuery(Shape):
    """Which uploads to list."""

    fingerprint = fields.String(load_default=None, validate=validate.Length(max=128))


class UploadList(Answer):
    """Uploads under way."""

    items = fields.List(fields.Nested(Upload))


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
