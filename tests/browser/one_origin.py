"""UI and fake API at one origin, as the gateway serves the real ones.

For a look by hand: PYTHONPATH=.:tests python -m browser.one_origin [port]
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from browser import fake_data, fake_predictions
from browser.fake_api import FIRST_KEY, FakePlatform
from browser.fake_routes import create_api
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from support.ports import free_port
from ui.app import create_app
from ui.settings import UiSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # streams need chunked answers

    def log(self, *_arguments: object) -> None:
        pass


class Site:
    """The UI beside a fake API that may be changed for another; one address for all, so that a browser may keep what it has of it."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._ui = create_app(
            UiSettings(api_base=origin, api_timeout_seconds=5, csp_origins="http://store.test")
        ).server.wsgi_app
        self._both: WSGIApplication = self._ui
        self._platform: FakePlatform | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._platform and not self._platform.asks_for_key:
            environ.setdefault(
                "HTTP_AUTHORIZATION", f"Bearer {FIRST_KEY}"
            )  # as the gateway does on its own machine
        return self._both(environ, start_response)

    @contextmanager
    def showing(self, platform: FakePlatform) -> Iterator[None]:
        """Put a platform behind the API's paths for a while."""
        self._platform = platform
        self._both = DispatcherMiddleware(self._ui, {"/api": create_api(platform)})
        try:
            yield
        finally:
            platform.down = True
            platform.drop_connections()


@contextmanager
def served(port: int | None = None) -> Iterator[Site]:
    """Serve a site from a thread."""
    port = port or free_port()
    site = Site(f"http://127.0.0.1:{port}")
    server = make_server("127.0.0.1", port, site, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def furnish(platform: FakePlatform) -> dict[str, str]:
    """Add one of everything worth seeing; gives ids by a short name."""
    platform.broken_image = "img/003.png"
    animals = platform.add_dataset("animals.csv", fake_data.sample_csv(), files=120)
    platform.schemas[animals]["findings"] = [
        {
            "level": "warning",
            "code": "unused-files",
            "message": "4 uploaded images are named by no row.",
            "column": "picture",
        },
        {
            "level": "info",
            "code": "unique-values",
            "message": "Every row has a different value; it cannot help to predict.",
            "column": "name",
        },
    ]
    column = platform.schemas[animals]["columns"]
    column[0]["images"] = {
        "matched": 118,
        "missing": 2,
        "missing_examples": ["img/118.png", "img/119.png"],
        "forgiven": {"case": 3},
    }
    column[6] |= {
        "disagreeing": ["about 3", "n/k", "twelve"],
        "disagreeing_count": 3,
        "missing_tokens": ["?"],
    }
    column[1] |= {"type": "identifier", "role": "leave_out", "role_why": "Every value is different."}
    platform.add_dataset(fake_data.RTL_NAME, fake_data.sample_csv(30))
    uploading = platform.add_dataset("plants.csv", fake_data.sample_csv(60), files=9000, done=False)
    platform.add_dataset(fake_data.LONG_NAME, fake_data.sample_csv(30))
    done = platform.add_job(animals)
    platform.start(done)
    platform.succeed(done, epochs=12)
    failed = platform.add_job(animals, {"model": "dummy_model", "name": fake_data.LONG_NAME})
    platform.start(failed)
    platform.set_state(failed, "failed", "exit 137: out of memory at 4 GB; try 8 GB")
    running = platform.add_job(animals, {"model": "multimodal", "name": fake_data.RTL_NAME, "epochs": 20})
    platform.start(running)
    platform.emit(running, *fake_data.training_items(20, ["bird", "cat", "fish"])[:42])
    platform.beat(running, "training", 0.35, 95, "epoch 7 of 20")
    predicted = fake_predictions.add(platform, {"job_id": done, "rows": [{}]})
    platform.end_prediction(predicted, fake_predictions.answer(), notes=["column 'kind' is not in the table"])
    return {
        "animals": animals,
        "uploading": uploading,
        "done": done,
        "failed": failed,
        "running": running,
        "predicted": predicted,
    }


if __name__ == "__main__":
    made = FakePlatform()
    print(furnish(made))  # noqa: T201 - for a person
    with served(int(sys.argv[1]) if len(sys.argv) > 1 else 8099) as here, here.showing(made):
        print(here.origin)  # noqa: T201 - for a person
        threading.Event().wait()
