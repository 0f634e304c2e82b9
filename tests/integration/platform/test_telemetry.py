"""Every process of a whole platform serves the metrics that docs/operations.md says; a job is one trace."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from support.metrics import names, value
from support.platform import shapes
from support.wait import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.parametrize("platform", ["embedded"], indirect=True),
]
ROOT = Path(__file__).parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def job(platform):
    table, images = shapes(rows=40)
    dataset = platform.ready(platform.upload(table, images)["id"])
    answer = platform.client.post(
        "/api/training_jobs/",
        json={
            "dataset_id": dataset["id"],
            "target": "shape",
            "model": "dummy_model",
            "epochs": 2,
            "start": True,
        },
        headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
    )
    ended = platform.ended(answer.json()["id"])
    assert ended["state"] == "succeeded", ended["reason"]
    return ended


def documented():
    """Give the names that docs/operations.md lists for each process."""
    served = {}
    for line in (ROOT / "docs/operations.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 5 and cells[1].startswith("`triptych_"):
            for process in cells[4].split(", "):
                served.setdefault(process, set()).add(cells[1].strip("`"))
    return served


def targets(platform):
    found = json.loads((platform.folder / "var" / "metrics-targets.json").read_text())
    return {target["labels"]["process"]: f"http://{target['targets'][0]}/metrics" for target in found}


def test_every_process_serves_what_the_page_says(platform, job):
    pages = {process: httpx.get(url).text for process, url in targets(platform).items()}
    assert {process: names(page) for process, page in pages.items()} == documented()
    assert value(pages["relay"], "triptych_source_up", source="database") == 1
    assert value(pages["relay"], "triptych_source_up", source="broker") == 1
    assert value(pages["api-worker"], "triptych_jobs", state="succeeded") >= 1
    assert (
        value(
            pages["launcher"],
            "triptych_provider_seconds_count",
            launcher="local",
            call="launch",
            outcome="ok",
        )
        >= 1
    )
    assert value(pages["metrics"], "triptych_callbacks_total", outcome="stored") >= 2
    assert value(pages["staging"], "triptych_staging_bytes_total") > 1000
    labels = {"queue": "launcher", "event": "job.launch_requested.v1", "outcome": "handled"}
    assert value(pages["launcher"], "triptych_handled_total", **labels) >= 1


def test_the_backlog_is_empty_once_everything_is_handled(platform, job):
    url = targets(platform)["relay"]

    def depths():
        page = httpx.get(url).text
        return [value(page, "triptych_queue_depth", queue=queue) for queue in ("api", "launcher", "metrics")]

    until(lambda: depths() == [0, 0, 0], "the queues to be empty")


def test_a_job_is_one_trace_from_the_request_to_the_last_report(platform, job, collector):
    def of(service, name):
        found = (span for span in collector.named(name) if span.trace == TRACE)
        return [span for span in found if span.service == f"triptych-{service}"]

    # The last to come: what was emitted for the final report
    until(lambda: of("api-worker", "process job.finished.v1"), "the trace's end", seconds=60)
    callback = "PATCH /api/training_jobs/<string:job_id>/metrics/"
    until(lambda: len(of("metrics", callback)) >= 2, "the callbacks' spans")
    [request] = of("api", "POST /api/training_jobs/")
    [requested] = of("launcher", "process job.launch_requested.v1")
    [launch], [train] = of("launcher", "launch"), of("trainer", "train")
    assert request.parent == "b7ad6b7169203331"
    assert [requested.parent, launch.parent, train.parent] == [request.id, requested.id, launch.id]
    phases = {
        span.id
        for name in ("downloading", "preparing", "training", "uploading")
        for span in of("trainer", name)
    }
    assert len(phases) == 4
    assert all(span.parent == train.id for span in collector.spans if span.id in phases)
    callbacks = of("metrics", callback)
    assert {span.parent for span in callbacks} <= phases | {
        train.id,
        *(span.id for span in of("trainer", "explaining")),
    }
    [finished] = of("api-worker", "process job.finished.v1")
    assert finished.parent in {span.id for span in callbacks}
    assert job["id"] in {span.attributes["triptych.job_id"] for span in (launch, train, *callbacks)}
