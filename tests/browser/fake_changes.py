"""The stream of what changed in the workspace, as the metrics service gives it, by looking at the fake platform again and again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser.fake_api import FakePlatform
    from flask import Flask

_LOOK_SECONDS = 0.05


def add_changes(app: Flask, platform: FakePlatform) -> None:
    """Add the route."""

    @app.get("/changes/")
    def changes() -> Response:
        return Response(_told(platform), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


def _told(platform: FakePlatform) -> Iterator[str]:
    generation, before = platform.cut_streams, _state(platform)
    yield "retry: 300\n\nevent: look\ndata: {}\n\n"
    while not (platform.down or platform.metrics_down or generation != platform.cut_streams):
        with platform.changed:
            platform.changed.wait(timeout=_LOOK_SECONDS)
        now = _state(platform)
        for kind, key in sorted({*before, *now}):
            if before.get((kind, key)) != now.get((kind, key)):
                yield f"event: change\ndata: {json.dumps({'kind': kind, 'id': key})}\n\n"
        before = now
        yield ": keep-alive\n\n"  # so that a viewer who has left is noticed


def _state(platform: FakePlatform) -> dict[tuple[str, str], str]:
    kinds = {"dataset": platform.datasets, "job": platform.jobs, "prediction": platform.predictions}
    return {
        (kind, key): json.dumps(each, default=str)
        for kind, every in kinds.items()
        for key, each in list(every.items())
    }
