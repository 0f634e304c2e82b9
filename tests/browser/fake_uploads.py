"""The fake API's uploads in chunks, in memory, with their faults in the test's hands."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from browser.fake_api import JSON, FakePlatform, problem
from flask import Flask, Response, jsonify, request

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = ("id", "name", "state", "reason", "offset", "length", "files", "chunk_bytes", "expires_at", "way")


def add_uploads(app: Flask, platform: FakePlatform) -> None:  # noqa: C901 - one closure for each route
    """Add the routes."""

    @app.post("/uploads/")
    def begin() -> Any:
        wish = request.json
        if platform.refuse_upload_start:
            return problem(*platform.refuse_upload_start)
        made = platform.add_upload(
            wish.get("name") or wish["files"][0]["name"], wish["files"], direct=wish.get("direct", False)
        )
        return jsonify(_shown(made)), 201, {"Location": f"/api/uploads/{made['id']}/"}

    @app.get("/uploads/")
    def under_way() -> Response:
        return jsonify(items=[])

    @app.route("/uploads/<upload_id>/", methods=["GET", "PATCH", "DELETE"])
    def one(upload_id: str) -> Any:
        made = platform.uploads.get(upload_id)
        if made is None:
            return problem(404, "NotFound", f"There is no upload '{upload_id}'.")
        if request.method == "PATCH":
            return _append(platform, made)
        if request.method == "DELETE":
            del platform.uploads[upload_id]
            return "", 204
        return jsonify(_shown(made)), 200, {"Upload-Offset": str(made["offset"])}

    @app.get("/uploads/<upload_id>/files/")
    def files(upload_id: str) -> Response:
        return jsonify(items=platform.uploads[upload_id]["manifest"])

    @app.post("/uploads/<upload_id>/complete/")
    def complete(upload_id: str) -> Any:
        made = platform.uploads[upload_id]
        platform.hold_uploads.wait(timeout=30)
        if platform.refuse_upload:
            status, detail = platform.refuse_upload
            return problem(status, "Invalid", detail)
        parts = _parts(made["manifest"], bytes(made["bytes"]))
        platform.uploaded = parts
        table = next(raw for (field, _), raw in parts.items() if field == "file")
        images = [name for field, name in parts if field == "images"]
        platform.uploaded_names = list(images)
        dataset_id = platform.add_dataset(made["name"], table.decode(), files=len(images), done=False)
        made["state"] = "completed"
        return jsonify({"id": dataset_id}), 201


def add_store(app: Flask, platform: FakePlatform) -> None:
    """Add what an upload straight to the object store needs; the store itself is the test's."""

    @app.post("/datasets/<upload_id>/parts/")
    def sign(upload_id: str) -> Response:
        address = f"{platform.store}/{upload_id}?partNumber={request.json['number']}"
        return jsonify(url=address, headers={"x-amz-checksum-crc32": request.json["crc32"]})


def store_part(platform: FakePlatform, upload_id: str, raw: bytes, crc32: str) -> None:
    """Take a part as the object store would."""
    assert crc32 == b64encode(zlib.crc32(raw).to_bytes(4, "big")).decode()
    made = platform.uploads[upload_id]
    made["bytes"] += raw
    made["offset"] += len(raw)


def _shown(made: JSON) -> JSON:
    return {key: made[key] for key in SHOWN}


def _append(platform: FakePlatform, made: JSON) -> Any:
    raw = request.get_data()
    platform.take_chunk()
    if platform.refuse_chunk:
        return problem(*platform.refuse_chunk)
    if int(request.headers["Upload-Offset"]) != made["offset"]:
        return problem(409, "Conflict", "It has other bytes."), 409, {"Upload-Offset": str(made["offset"])}
    kind, given = request.headers["Upload-Checksum"].split()
    right = hashlib.sha256(raw).digest() if kind == "sha256" else zlib.crc32(raw).to_bytes(4, "big")
    if given != b64encode(right).decode():
        return problem(460, "Checksum Mismatch", "Send it again.")
    made["bytes"] += raw
    made["offset"] += len(raw)
    return "", 204, {"Upload-Offset": str(made["offset"])}


def _parts(manifest: Sequence[JSON], raw: bytes) -> dict[tuple[str, str], bytes]:
    parts, at = {}, 0
    for file in manifest:
        parts[file["field"], file["name"]] = raw[at : at + file["size"]]
        at += file["size"]
    return parts
