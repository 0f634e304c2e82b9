"""The files that every page asks for: our scripts as one, our styles as one, and the chart library. Each request costs more than the bytes in it.

Their addresses hold a fingerprint of the content, so that a browser keeps them and never sees an old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Response, abort

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

PREFIX = "/bundles/"
SECONDS = 365 * 86_400
HERE = Path(__file__).parent
CHARTS = (
    "plotly.min.js"  # made by `make chart-library`, not by Dash's package: that one is four times as large
)
_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@dataclass(frozen=True)
class Bundle:
    """A file that is served, and what is in it."""

    name: str
    content: bytes

    @property
    def address(self) -> str:
        """Where it is asked for."""
        return f"{PREFIX}{self.fingerprint}/{self.name}"

    @property
    def fingerprint(self) -> str:
        """What changes with the content."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def read() -> dict[str, Bundle]:
    """Read all bundles; gives them by name: "triptych.js", "triptych.css" and CHARTS."""
    made = (
        Bundle("triptych.js", _joined((HERE / "assets").glob("*.js"))),
        Bundle("triptych.css", _joined((HERE / "assets").glob("*.css"))),
        Bundle(CHARTS, (HERE / "vendored" / CHARTS).read_bytes()),
    )
    return {each.name: each for each in made}


def _joined(paths: Iterable[Path]) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(paths))


def install(server: Flask, bundles: dict[str, Bundle]) -> None:
    """Serve bundles. A page from before an upgrade gets today's file at the old address, which no browser then keeps."""

    @server.get(f"{PREFIX}<fingerprint>/<name>")
    def bundle(fingerprint: str, name: str) -> Response:
        found = bundles.get(name)
        if found is None:
            abort(404)
        answer = Response(found.content, content_type=_TYPES[name.rpartition(".")[2]])
        answer.cache_control.public = True
        answer.cache_control.max_age = SECONDS if fingerprint == found.fingerprint else 0
        return answer
