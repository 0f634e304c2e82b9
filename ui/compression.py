"""Compresses what the UI serves. Scripts and styles, megabytes that never change, are compressed once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from flask_compress import Compress

from ui.bundles import PREFIX

if TYPE_CHECKING:
    from flask import Flask, Request

KEPT = ("/_dash-component-suites/", PREFIX)
_MOST = 100  # files; a page needs some twenty, in the one or two encodings that browsers ask for


class StaticFiles:
    """Remembers compressed files by Flask-Compress's keys, ``<encoding>;<path>``; those without a path are not kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        """Give what was kept."""
        with self._lock:
            return self._kept.get(key)

    def set(self, key: str, value: bytes) -> None:
        """Keep a file, and forget the oldest of too many: any fingerprint in a path is answered."""
        if key.endswith(";"):
            return
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)


def path_of(request: Request) -> str:
    """Give the path of a file of a package or of ours, which is compressed once, and nothing for what differs from answer to answer."""
    return request.path if request.path.startswith(KEPT) else ""


def install(server: Flask) -> None:
    """Compress a server's answers with what the browser takes."""
    server.config.update(
        COMPRESS_CACHE_BACKEND=StaticFiles,
        COMPRESS_CACHE_KEY=path_of,
        COMPRESS_STREAMS=False,  # it leaves files open
    )
    Compress(server)
