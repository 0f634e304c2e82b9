"""The REST API and the event stream in memory, with a job that goes as far as a test says. Same shapes, no training."""

from __future__ import annotations

import io
import json
import math
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from browser import fake_data
from flask import Response, jsonify
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JSON = dict[str, Any]
FIRST_KEY = "trp_" + "only-for-tests" * 3
ENDED = {"succeeded", "failed", "cancelled", "timed_out"}


class FakePlatform:
    """Data sets and jobs in memory. A test moves jobs on by hand: nothing happens by itself."""

    def __init__(self) -> None:
        self.datasets: dict[str, JSON] = {}
        self.schemas: dict[str, JSON] = {}
        self.tables: dict[str, str] = {}
        self.overrides: dict[str, dict[str, JSON]] = defaultdict(dict)
        self.jobs: dict[str, JSON] = {}
        self.streams: dict[str, list[JSON]] = defaultdict(list)
        self.heartbeats: dict[str, JSON] = {}
        self.printed: dict[str, list[str]] = defaultdict(list)  # last lines of a job's log
        self.down = False
        self.metrics_down = False  # of the calls that the metrics service answers
        self.price: float | None = (
            None  # of an hour on the launcher's machine; None: it is the platform's own
        )
        self.refuse_upload: tuple[int, str] | None = None
        self.refuse_job: JSON | None = None  # errors of the next job's problem document
        self.findings: list[JSON] = []  # of the checks before a job
        self.open_streams: dict[str, int] = defaultdict(int)
        self.told: dict[str, int] = defaultdict(int)  # items sent on a job's streams
        self.hold_uploads = threading.Event()  # cleared, it makes uploads wait before their answer
        self.hold_uploads.set()
        self.reports: dict[str, JSON] = {}  # report.json of a job, where it is not to be made up
        self.predictions: dict[str, JSON] = {}
        self.predicted: dict[str, JSON] = {}  # first rows of those that succeeded
        self.asked: list[JSON] = []  # bodies of requests for predictions
        self.refuse_prediction = ""
        self.broken_image = ""  # path of a file that does not decode
        self.uploaded_names: list[str | None] = []
        self.uploaded: dict[tuple[str, str], bytes] = {}  # what the last upload came to, by field and name
        self.uploads: dict[str, JSON] = {}
        self.store = ""  # where parts go, if straight to an object store
        self.chunk_bytes = 1 << 20
        self.chunks = 0  # seen so far
        self.chunks_let_pass: float = math.inf  # those behind them wait for their answer
        self.refuse_chunk: tuple[int, str, str] | None = None
        self.refuse_upload_start: tuple[int, str, str] | None = None
        self.thinned = 0  # every how many-th point of its past a job's page is given; 0: all
        self.cut_streams = 0  # raised by one, it makes every open stream end as a broken connection does
        self.asks_for_key = (
            False  # else it is as on the platform's own machine, whose gateway has a key for everybody
        )
        self.provider: str | None = None  # where people may sign in without a key
        self.keys: dict[str, JSON] = {}  # by the key itself
        self.sessions: dict[str, JSON] = {}  # the key that a cookie was given for
        self.workspaces: list[JSON] = [{"id": "default", "name": "default", "created_at": _ago(86_400 * 9)}]
        self.changed = threading.Condition()
        self._ids = count(1)
        self.add_key("first key", ["read", "write", "admin", "operator"], secret=FIRST_KEY)

    def add_key(
        self,
        name: str,
        scopes: list[str],
        *,
        expires_at: str | None = None,
        workspace: str | None = None,
        secret: str = "",
    ) -> tuple[JSON, str]:
        """Add an API key; gives it, and what nobody is shown again."""
        number = next(self._ids)
        secret = secret or f"trp_fake-{number}"
        self.keys[secret] = {
            "id": f"key{number}", "name": name, "hint": secret[-4:], "scopes": scopes, "created_at": _ago(0), "expires_at": expires_at,
            "revoked_at": None, "used_at": None, "workspace": workspace or "default",
        }  # fmt: skip
        return self.keys[secret], secret

    def add_workspace(self, name: str) -> JSON:
        """Add a workspace."""
        made = {"id": f"ws{next(self._ids)}", "name": name, "created_at": _ago(0)}
        self.workspaces.append(made)
        return made

    def add_dataset(self, name: str, text: str, *, files: int = 0, done: bool = True) -> str:
        """Add a data set; `done` says whether both tracks have ended."""
        dataset_id = f"ds{next(self._ids)}"
        schema = fake_data.schema_of(text, complete=done)
        self.tables[dataset_id], self.schemas[dataset_id] = text, schema
        size = len(text) + files * 5000
        self.datasets[dataset_id] = {
            "id": dataset_id, "name": name, "created_at": _ago(300), "rows": schema["rows"],
            "n_columns": len(schema["columns"]), "files": files, "bytes": size, "reason": None,
            "state": "ready" if done else "uploaded", "target": None,
            "schema_state": "detected" if done else "running", "staging_state": "staged" if done else "running",
            "bytes_done": size if done else size // 3,
        }  # fmt: skip
        return dataset_id

    def add_upload(self, name: str, files: list[JSON], *, direct: bool = False) -> JSON:
        """Begin an upload in chunks."""
        upload_id = f"up{next(self._ids)}"
        self.uploads[upload_id] = {
            "id": upload_id, "name": name, "state": "open", "reason": None, "offset": 0, "files": len(files),
            "length": sum(file["size"] for file in files), "chunk_bytes": self.chunk_bytes, "expires_at": _ago(-86_400),
            "way": "store" if self.store and direct else "spool",
            "manifest": files, "bytes": bytearray(),
        }  # fmt: skip
        return self.uploads[upload_id]

    def take_chunk(self) -> None:
        """Count a chunk, and keep it waiting where no more are let pass."""
        with self.changed:
            self.chunks += 1
            mine = self.chunks
            self.changed.wait_for(lambda: mine <= self.chunks_let_pass or self.down, timeout=60)

    def let_chunks_pass(self, count: float = math.inf) -> None:
        """Say how many chunks get an answer, from the first one on."""
        with self.changed:
            self.chunks_let_pass = count
            self.changed.notify_all()

    def finish_dataset(self, dataset_id: str) -> None:
        """End both tracks well."""
        record = self.datasets[dataset_id]
        record |= {
            "state": "ready",
            "schema_state": "detected",
            "staging_state": "staged",
            "bytes_done": record["bytes"],
        }
        self.schemas[dataset_id]["complete"] = True

    def add_job(self, dataset_id: str, body: JSON | None = None) -> str:
        """Add a job in the state `created`."""
        body = {"model": "multimodal"} | (body or {})
        job_id = f"job{next(self._ids)}"
        schema = self.schemas[dataset_id]
        target = body.get("target") or self.target(dataset_id)
        features = [c["name"] for c in schema["columns"] if c["name"] != target]
        settings = {"epochs": 20, "learning_rate": 0.001, "batch_size": 64, "validation_split": 0.2, "seed": 0,
                    "params": {}, "feature_columns": features, "column_types": {}, "resources": {}}  # fmt: skip
        settings |= {
            key: value
            for key, value in body.items()
            if key not in {"dataset_id", "name", "model", "target", "start", "ignore"}
        }
        self.jobs[job_id] = {
            "id": job_id, "name": body.get("name") or f"{self.datasets[dataset_id]['name']} · {body['model']}",
            "dataset_id": dataset_id, "dataset_name": self.datasets[dataset_id]["name"], "model": body["model"],
            "target": target, "state": "created", "reason": None, "attempt": 1, "last_attempt": 4, "created_at": _ago(0), "started_at": None,
            "finished_at": None, "metrics": {}, "settings": settings, "history": [], "launcher": "local", "handle": "4711",
            "findings": self.found(body),
        }  # fmt: skip
        self._step(job_id, "created", None)
        return job_id

    def found(self, body: JSON) -> list[JSON]:
        """Give the findings, those marked that a request ignores."""
        ignore = body.get("ignore", [])
        return [one | {"ignored": one["overridable"] and one["code"] in ignore} for one in self.findings]

    def target(self, dataset_id: str) -> str | None:
        """Give the chosen target, else the best candidate."""
        targets = self.schemas[dataset_id]["targets"]
        return self.datasets[dataset_id]["target"] or (targets[0]["column"] if targets else None)

    def set_state(
        self, job_id: str, state: str, reason: str | None = None, metrics: JSON | None = None
    ) -> None:
        """Move a job to a state, and tell its stream."""
        job = self.jobs[job_id]
        job |= {"state": state, "reason": reason, "metrics": metrics or {}}
        if state == "running":
            job["started_at"] = _ago(0)
        job["finished_at"] = _ago(0) if state in ENDED else None
        self._step(job_id, state, reason)
        self.emit(
            job_id,
            {"kind": "state", "data": {"state": state, "reason": reason or "", "metrics": metrics or {}}},
        )

    def emit(self, job_id: str, *items: JSON) -> None:
        """Append items to a job's stream."""
        with self.changed:
            stream = self.streams[job_id]
            for item in items:
                stream.append(
                    {"seq": len(stream) + 1, "attempt": self.jobs[job_id]["attempt"], "at": _ago(0), **item}
                )
            self.changed.notify_all()

    def beat(
        self, job_id: str, phase: str, progress: float, eta: float | None = None, message: str = ""
    ) -> None:
        """Send a heartbeat."""
        with self.changed:
            self.heartbeats[job_id] = {
                "at": _ago(0),
                "phase": phase,
                "progress": progress,
                "eta_seconds": eta,
                "message": message,
            }
            self.changed.notify_all()

    def print(self, job_id: str, line: str) -> None:
        """Let a job's log grow."""
        with self.changed:
            self.printed[job_id].append(line)
            self.changed.notify_all()

    def start(self, job_id: str) -> None:
        """Move a job to running."""
        for state in ("queued", "launching", "running"):
            self.set_state(job_id, state)

    def succeed(
        self, job_id: str, epochs: int = 6, labels: list[str] | None = None, accuracy: float = 0.917
    ) -> None:
        """Send everything of a training that ends well."""
        names = labels or ["bird", "cat", "fish"]
        self.emit(job_id, *fake_data.training_items(epochs, names))
        metrics = {
            "accuracy": accuracy,
            "macro_f1": accuracy - 0.03,
            "weighted_f1": 0.89,
            "loss": 0.41,
            "best_epoch": epochs - 1,
            "majority_rate": 0.34,
        }
        self.emit(job_id, {"kind": "artifact", "data": {"items": []}})
        self.set_state(job_id, "succeeded", "finished after 6 epochs", metrics)

    def end_prediction(
        self, prediction_id: str, found: JSON | None = None, reason: str = "", notes: Iterable[str] = ()
    ) -> None:
        """End a prediction, well where its rows are given."""
        self.predicted[prediction_id] = found or {}
        self.predictions[prediction_id] |= {
            "state": "succeeded" if found else "failed",
            "reason": reason or None,
            "notes": list(notes),
            "rows": len(found["rows"]) if found else 0,
        }

    def drop_connections(self) -> None:
        """Break every open stream, as a restarted gateway does."""
        with self.changed:
            self.cut_streams += 1
            self.changed.notify_all()

    def wait_until_stream(self, job_id: str) -> None:
        """Wait until a browser follows a job."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.open_streams[job_id], timeout=30):
                raise AssertionError(f"nobody follows {job_id}")

    def wait_until_no_stream(self, job_id: str) -> None:
        """Wait until no browser follows a job."""
        with self.changed:
            self.changed.notify_all()
            if not self.changed.wait_for(lambda: not self.open_streams[job_id], timeout=30):
                raise AssertionError(f"{self.open_streams[job_id]} streams of {job_id} are still open")

    def events(self, job_id: str, after: int) -> Iterator[str]:
        """Give a job's stream as Server-Sent Events from behind a sequence number on."""
        with self.changed:
            self.open_streams[job_id] += 1
            self.changed.notify_all()
        try:
            yield from self._events(job_id, after)
        finally:
            with self.changed:
                self.open_streams[job_id] -= 1
                self.changed.notify_all()

    def _events(self, job_id: str, after: int) -> Iterator[str]:
        generation, sent_beat, printed = self.cut_streams, None, len(self.printed[job_id])
        after = min(
            after, len(self.streams[job_id])
        )  # as the platform does with a number that a job has not reached
        yield "retry: 300\n\nevent: log\ndata: {}\n\n"
        while True:
            with self.changed:
                waiting = self.streams[job_id][after:]
                beat = self.heartbeats.get(job_id)
                if not waiting and beat is sent_beat and printed == len(self.printed[job_id]):
                    self.changed.wait(timeout=1)
                    waiting, beat = self.streams[job_id][after:], self.heartbeats.get(job_id)
            if self.down or generation != self.cut_streams:
                return
            for item in waiting:
                after = item["seq"]
                self.told[job_id] += 1
                yield f"id: {after}\nevent: {item['kind']}\ndata: {json.dumps(item)}\n\n"
            if beat is not sent_beat:
                sent_beat = beat
                yield f"event: heartbeat\ndata: {json.dumps(beat)}\n\n"
            if printed != len(self.printed[job_id]):
                printed = len(self.printed[job_id])
                yield "event: log\ndata: {}\n\n"
            stream = self.streams[job_id]
            if (
                stream
                and after == len(stream)
                and stream[-1]["kind"] == "state"
                and stream[-1]["data"]["state"] in ENDED
            ):
                yield "event: end\ndata: {}\n\n"
                return
            yield ": keep-alive\n\n"

    def _step(self, job_id: str, state: str, reason: str | None) -> None:
        job = self.jobs[job_id]
        job["history"].append({"state": state, "at": _ago(0), "reason": reason, "attempt": job["attempt"]})


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def problem(status: int, title: str, detail: str, **extra: Any) -> Response:
    """Make a problem document."""
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, **extra)
    response.status_code, response.content_type = status, "application/problem+json"
    return response


def picture(seed: int, size: int = 96) -> bytes:
    """Draw something to see."""
    image = Image.new(
        "RGB", (size, size), ((seed * 53) % 200 + 30, (seed * 97) % 200 + 30, (seed * 31) % 200 + 30)
    )
    raw = io.BytesIO()
    image.save(raw, "WEBP")
    return raw.getvalue()
