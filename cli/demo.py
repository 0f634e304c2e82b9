"""`triptych demo`: the whole way from a table with images to a trained model, on this machine, with real data."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from cli import demo_data, waiting
from cli.data_dir import AlreadyRunning
from cli.errors import CommandFailed
from cli.findings import create_job
from cli.job_commands import finish
from cli.plan import local_plan
from cli.ports import PortTaken, free_ports, require_free
from cli.runner import Runner, run
from client import Client

if TYPE_CHECKING:
    from cli.data_dir import DataDir
    from cli.output import Output
    from client.types import DatasetDetail, DatasetSummary, JobDetail, JobWish, SchemaChange

NAME = "letters of twelve scripts"
# Names are short and many repeat, so detection takes them for categories; that text says more is for a person to know
CORRECTIONS: SchemaChange = {
    "columns": {"letter_name": {"type": "text", "role": "feature"}, "category": {"role": "feature"}},
    "target": demo_data.TARGET,
}


def demo(data: DataDir, port: int, key: str, output: Output) -> None:
    """Run the demo on the platform that runs on a data folder, or on one that is started for it and stopped after it.

    Args:
        data: The data folder.
        port: Where a platform that is started listens, if the port is free; else some free port.
        key: API key, for a running platform that lets nobody in without.
        output: Where to write.

    Raises:
        CommandFailed: Something on the way did not work, or the job did not succeed.
        NoRedis: There is no redis-server.
        StartFailed: A part of the platform does not come up.
    """
    try:
        require_free("localhost", port)
    except PortTaken:
        port = free_ports(1)[0]
    url = f"http://localhost:{port}"
    try:
        with data.lock(url):
            output.say(f"Starting Triptych on {data.root} …")
            runner = Runner(local_plan(data, "localhost", port, os.environ), data, output.say)
            job = asyncio.run(run(runner, partial(_in_thread, url, data, output), output.say))
    except AlreadyRunning as running:
        if not running.url:
            raise CommandFailed(
                f"{running} It is just starting or stopping; try again in a moment."
            ) from None
        output.say(f"Using the Triptych that runs at {running.url}")
        with Client(running.url, key) as client:
            show(client, data, output)
        return
    if job is None:
        output.err.show_cursor()  # the abandoned progress bar has hidden it
        raise CommandFailed("The demo was stopped.")
    output.say(
        f"Stopped again. To see the job in the browser: make up, then http://localhost:8080/jobs/{job['id']}"
    )


async def _in_thread(url: str, data: DataDir, output: Output) -> JobDetail:
    """Show the demo while the event loop supervises; a thread that a signal makes needless is left behind."""
    outcome: Future[JobDetail] = Future()
    outcome.set_running_or_notify_cancel()

    def work() -> None:
        try:
            outcome.set_result(show(Client(url), data, output))
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            outcome.set_exception(error)

    threading.Thread(target=work, name="demo", daemon=True).start()
    return await asyncio.wrap_future(outcome)


def show(client: Client, data: DataDir, output: Output) -> JobDetail:
    """Train on the demo's data over REST, from upload to report.

    Args:
        client: Of a running platform.
        data: The folder to make the data in.
        output: Where to write.

    Returns:
        The job.

    Raises:
        CommandFailed: It did not succeed.
    """
    found: DatasetSummary | DatasetDetail | None = _uploaded(client, output)
    if found is None:
        table, drawings = demo_data.make(data.root / "demo")
        found = waiting.upload(client, output, table, drawings, NAME)
    dataset = waiting.until_ready(client, output, found["id"])
    output.say(f"{dataset['rows']} rows, {dataset['files']} images. What detection says of the columns:")
    for column in dataset["schema"]["columns"]:
        output.say(f"  {column['name']:12} {column['type']:12} {column['why']}")
    client.change_schema(dataset["id"], CORRECTIONS)
    output.say(f"Corrected: letter_name is text. To predict: {demo_data.TARGET}.")
    wish: JobWish = {
        "dataset_id": dataset["id"],
        "name": "demo",
        "target": demo_data.TARGET,
        "model": "multimodal",
        "epochs": 15,
        "params": {"image_size": 32},
        "start": True,
    }
    job = create_job(client, output, wish)
    output.say(f"Training: {client.url}/jobs/{job['id']}")
    return finish(client, output, job["id"])


def _uploaded(client: Client, output: Output) -> DatasetSummary | None:
    """Find the data set of an earlier demo."""
    for item in client.datasets(search=NAME)["items"]:
        if item["name"] == NAME and item["state"] == "ready":
            output.say("The demo's data set is there already.")
            return item
    return None
