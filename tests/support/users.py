"""People who use a deployment while it is being broken: each uploads, trains, cancels and retries, and knows what it was promised."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.tiny_trainer import SILENT_SEED

FINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
PATIENCE_SECONDS = 300  # a request that fails for so long, or a job that does not end, is a broken promise
_PAUSE_SECONDS = 0.2
ROWS, PICTURES = 42, 3


@dataclass
class Dataset:
    """An upload that was answered 201.

    Attributes:
        id: Of the data set.
        sent: SHA-256 of every file by its key in the object store.
        accepted_at: Monotonic seconds.
        ended_at: When it was first seen ready or rejected.
        ends: The states it may end in.
    """

    id: str
    sent: dict[str, str]
    accepted_at: float
    ended_at: float | None = None
    ends: frozenset[str] = frozenset({"ready"})


@dataclass
class Job:
    """A job whose creation was answered 201; fields as of Dataset, the states for each attempt."""

    id: str
    accepted_at: float
    ended_at: float | None = None
    ends: dict[int, frozenset[str]] = field(default_factory=dict)


class Accepted:
    """Everything that was promised to anyone."""

    def __init__(self) -> None:
        self.datasets: list[Dataset] = []
        self.jobs: list[Job] = []

    def outstanding(self) -> list[Dataset | Job]:
        """Give what was accepted and has not been seen to end."""
        return [thing for thing in [*self.datasets, *self.jobs] if thing.ended_at is None]


class Client:
    """Asks until it is answered: a platform that is away for a moment answers 5xx, 429 or not at all."""

    def __init__(self, url: str, accepted: Accepted, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)
        self._accepted = accepted
        self._patience_seconds = patience_seconds

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request until it has an answer other than "not now"."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                said = repr(error)
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
            assert time.monotonic() < deadline, f"{method} {path} is not answered: {said}"
            time.sleep(_PAUSE_SECONDS)

    def upload(self, rng: random.Random) -> Dataset:
        """Upload a small table with a few pictures."""
        table, pictures = small_data(rng)
        parts = [("file", ("table.csv", table)), *(("images", item) for item in pictures.items())]
        answer = self.ask("POST", "/api/datasets/upload_and_detect/", files=parts)
        assert answer.status_code == 201, answer.text
        root = f"datasets/{answer.json()['id']}"
        sent = {
            f"{root}/table.csv": table,
            **{f"{root}/images/{path}": raw for path, raw in pictures.items()},
        }
        hashes = {key: hashlib.sha256(raw).hexdigest() for key, raw in sent.items()}
        dataset = Dataset(answer.json()["id"], hashes, time.monotonic())
        self._accepted.datasets.append(dataset)
        return dataset

    def train(self, dataset: Dataset, ends: dict[int, frozenset[str]], **wish: Any) -> Job:
        """Create a job that starts as soon as it can."""
        body = {"dataset_id": dataset.id, "target": "label", "model": "dummy_model", "start": True, **wish}
        answer = self.ask("POST", "/api/training_jobs/", json=body)
        assert answer.status_code == 201, answer.text
        job = Job(answer.json()["id"], time.monotonic(), ends=ends)
        self._accepted.jobs.append(job)
        return job

    def settle(self, thing: Dataset | Job, attempt: int = 1) -> dict[str, Any]:
        """Wait until a data set, or an attempt of a job, has ended, and note when."""
        kind = "datasets" if isinstance(thing, Dataset) else "training_jobs"
        ends = {"ready", "rejected"} if isinstance(thing, Dataset) else FINAL
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            shown: dict[str, Any] = self.ask("GET", f"/api/{kind}/{thing.id}/").json()
            if shown["state"] in ends and shown.get("attempt", attempt) >= attempt:
                thing.ended_at = time.monotonic()
                return shown
            assert time.monotonic() < deadline, f"{kind} {thing.id} does not end: {shown['state']}"
            time.sleep(_PAUSE_SECONDS)


class User(threading.Thread):
    """One person, who does one thing after another until told to stop, and then ends what was begun."""

    def __init__(self, url: str, accepted: Accepted, seed: int) -> None:
        super().__init__(name=f"user {seed}")
        self._client = Client(url, accepted)
        self._rng = random.Random(seed)
        self._leaving = threading.Event()
        self.error: BaseException | None = None

    def leave(self) -> None:
        """Stop after the story at hand."""
        self._leaving.set()

    def run(self) -> None:
        """Live stories."""
        try:
            while not self._leaving.is_set():
                self._story()
        except BaseException as error:  # noqa: BLE001 - raised by the test, in its own thread
            self.error = error
        finally:
            self._client.close()

    def _story(self) -> None:
        rng, client = self._rng, self._client
        dataset = client.upload(rng)
        wish: dict[str, Any] = {"epochs": rng.randint(1, 6), "params": {"seconds_per_epoch": 0.1}}
        story = rng.choices(("trains", "cancels", "retries", "dies"), (6, 2, 1, 1))[0]
        if story == "retries":
            wish["params"]["fail_at_epoch"] = 1
        elif story == "dies":
            wish["seed"] = SILENT_SEED
        job = client.train(dataset, _ends(story), **wish)
        if story == "cancels":
            self._leaving.wait(rng.uniform(0, 3))
            assert client.ask("POST", f"/api/training_jobs/{job.id}/cancel/").status_code in {202, 409}
        client.settle(job)
        if story == "retries":
            # refused where the answer to a first try was lost
            assert client.ask("POST", f"/api/training_jobs/{job.id}/retry/").status_code in {202, 409}
            job.ended_at = None
            client.settle(job, attempt=2)
        client.settle(dataset)


def _ends(story: str) -> dict[int, frozenset[str]]:
    well, badly = frozenset({"succeeded"}), frozenset({"failed"})
    if story == "cancels":
        return {1: frozenset({"cancelled", "succeeded"})}
    if story == "retries":
        return {1: badly, 2: well}
    return {1: badly if story == "dies" else well}


def small_data(rng: random.Random) -> tuple[bytes, dict[str, bytes]]:
    """Make a table that is unlike any other, and its pictures by their paths."""
    pictures = {f"{number}.png": PIXEL + rng.randbytes(rng.randint(0, 50_000)) for number in range(PICTURES)}
    lines = ["picture,weight,label"]
    lines += [
        f"{row % PICTURES}.png,{rng.gauss(row % 2, 1):.6f},{'odd' if row % 2 else 'even'}"
        for row in range(ROWS)
    ]
    return "\n".join(lines).encode() + b"\n", pictures


# A PNG goes on being one with anything behind its end
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
