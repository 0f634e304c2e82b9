"""Sends objects of the store to whoever downloads them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Response, redirect, stream_with_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.storage import ObjectStore

_LINK_SECONDS = 900
# For the OpenAPI document
FILE = {"type": "string", "format": "binary"}
LOCATION = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}


def send(store: ObjectStore, key: str, name: str, size: int) -> Response:
    """Redirect to an object where the store can be asked directly, else stream it.

    Args:
        store: Where it lies.
        key: Its key.
        name: What the download is called.
        size: Its bytes.
    """
    link = store.presign(key, seconds=_LINK_SECONDS, filename=name)
    if link is not None:
        return redirect(link)  # type: ignore[return-value] # werkzeug's Response is Flask's here

    def blocks() -> Iterator[bytes]:
        with store.open(key) as found:
            yield from found

    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    headers = {"Content-Length": str(size), "Content-Disposition": disposition}
    return Response(stream_with_context(blocks()), mimetype="application/octet-stream", headers=headers)
