"""Creates data sets and jobs over the REST API, as fast as it takes them."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from sqlalchemy import insert

from benchmarks.access import HEADERS
from contracts.events import JobLaunchRequested, wrap
from contracts.topology import TOPOLOGY
from runtime.db import unix_now
from runtime.outbox import Delivery, EventRow
from services.api.datasets import new_id
from services.api.models import Dataset, Job, JobStep
from services.api.specs import RESOURCES, trainer_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.scale.services import Load
    from contracts.events import Envelope
    from runtime.db import Database

_A_TRANSACTION = 500
_TABLE = "size,kind,animal\n" + "".join(
    f"{i % 7},{'abc'[i % 3]},{'xyz'[i * 7 % 11 % 3]}\n" for i in range(90)
)


@dataclass(frozen=True)
class Created:
    """A job that the api has answered 201 for: its id, when that was asked (Unix seconds), and how long the answer took."""

    job_id: str
    at: float
    seconds: float


def upload(origin: str, number: int) -> list[str]:
    """Upload so many small tables and wait until all are ready; gives their ids."""
    with httpx.Client(base_url=origin, timeout=60, headers=HEADERS) as client:
        ids = []
        for _ in range(number):
            files = {"file": ("animals.csv", _TABLE)}
            ids.append(
                client.post("/api/datasets/upload_and_detect/", files=files).raise_for_status().json()["id"]
            )
        for dataset_id in ids:
            while client.get(f"/api/datasets/{dataset_id}/").raise_for_status().json()["state"] != "ready":
                time.sleep(0.1)
    return ids


def queue(db: Database, datasets: Sequence[str], number: int) -> list[str]:
    """Put the rows that the api would have written for so many started jobs into the database, many at a time; gives their ids."""
    ids = []
    for begin in range(0, number, _A_TRANSACTION):
        with db.write() as session:
            data = [session.get_one(Dataset, dataset_id) for dataset_id in datasets]
            made = [
                _job(data[this % len(data)], f"queued {this}")
                for this in range(begin, min(begin + _A_TRANSACTION, number))
            ]
            session.add_all(job for job, _ in made)
            session.flush()
            session.add_all(JobStep(job_id=job.id, attempt=1, state="queued") for job, _ in made)
            now = unix_now()
            events = [(str(told.id), told.event, told.model_dump(mode="json")) for _, told in made]
            session.execute(
                insert(EventRow),
                [{"id": key, "envelope": told, "created_at": now} for key, _, told in events],
            )
            session.execute(
                insert(Delivery),
                [
                    {"event_id": key, "queue": queue, "due_at": now}
                    for key, event, _ in events
                    for queue in TOPOLOGY[event]
                ],
            )
            ids += [job.id for job, _ in made]
    return ids


def _job(dataset: Dataset, name: str) -> tuple[Job, Envelope]:
    """Make a job that is queued, and the event that asks for its launch."""
    job = Job(
        id=new_id(),
        name=name,
        dataset_id=dataset.id,
        model="dummy_model",
        target="animal",
        settings={
            "feature_columns": ["size", "kind"],
            "column_types": {},
            "params": {},
            "resources": RESOURCES,
        },
        state="queued",
        attempt=1,
        launch_requested=True,
        checkpoints_from=1,
    )
    sizes = {name: RESOURCES[name] for name in ("cpus", "memory_mb", "max_seconds")}
    spec = trainer_environment(job, dataset)
    return job, wrap(JobLaunchRequested(job_id=job.id, attempt=1, spec=spec, **sizes))


def create(
    origin: str, datasets: Sequence[str], load: Load, deadline: float
) -> tuple[list[Created], list[str]]:
    """Create and start jobs over several connections, each sending one request after another, until a moment (Unix seconds).

    Returns:
        The jobs, and what was answered instead to the other requests.
    """
    created: list[Created] = []
    refused: list[str] = []
    numbers = count()

    def work() -> None:
        with closing(http.client.HTTPConnection(urlsplit(origin).netloc, timeout=120)) as connection:
            send(connection)

    def send(connection: http.client.HTTPConnection) -> None:
        while (number := next(numbers)) < load.jobs and time.time() < deadline:
            wish = {
                "name": f"job {number}",
                "dataset_id": datasets[number % len(datasets)],
                "model": "dummy_model",
                "target": "animal",
                "start": True,
            }
            at = time.time()
            headers = {"Content-Type": "application/json", **HEADERS}
            connection.request("POST", "/api/training_jobs/", json.dumps(wish), headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == http.client.CREATED:
                created.append(Created(json.loads(body)["id"], at, time.time() - at))
            else:
                refused.append(f"{answer.status} {body[:200].decode(errors='replace')}")

    with ThreadPoolExecutor(load.clients) as pool:
        for client in [pool.submit(work) for _ in range(load.clients)]:
            client.result()
    return created, refused
