"""`triptych demo`: the whole way from a table with images to a trained model, on this machine, with real data."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from cli import demo_data, waiting
from cli.client import Client
from cli.data_dir import AlreadyRunning
from cli.errors import CommandFailed
from cli.plan import local_plan
from cli.ports import PortTaken, free_ports, require_free
from cli.result import print_result
from cli.runner import Runner, run

if TYPE_CHECKING:
    from cli.data_dir import DataDir
    from cli.output import Output

NAME = "letters of twelve scripts"
EPOCHS = 12


def demo(data: DataDir, port: int, output: Output) -> int:
    """Run the demo on the platform that runs on a data folder, or on one that is started for it and stopped after it.

    Args:
        data: The data folder.
        port: Where a platform that is started listens, if the port is free; else some free port.
        output: Where to write.

    Returns:
        Exit status: 0 where the job succeeded.

    Raises:
        CommandFailed: Something on the way did not work.
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
            code = asyncio.run(run(runner, partial(_in_thread, url, data, output), output.say))
    except AlreadyRunning as running:
        if not running.url:
            raise CommandFailed(
                f"{running} It is just starting or stopping; try again in a moment."
            ) from None
        output.say(f"Using the Triptych that runs at {running.url}")
        return show(Client(running.url), data, output)
    output.say("Stopped again. To look at the job in the browser: make up (or triptych up)")
    return code


async def _in_thread(url: str, data: DataDir, output: Output) -> int:
    return await asyncio.to_thread(show, Client(url), data, output)


def show(client: Client, data: DataDir, output: Output) -> int:
    """Train on the demo's data over REST, from upload to report.

    Args:
        client: Of a running platform.
        data: The folder to make the data in.
        output: Where to write.

    Returns:
        Exit status: 0 where the job succeeded.
    """
    dataset = _uploaded(client, output)
    if dataset is None:
        table, drawings = demo_data.make(data.root / "demo")
        dataset = waiting.upload(client, output, table, drawings, NAME)
    dataset = waiting.until_ready(client, output, dataset["id"])
    schema = client.get(f"datasets/{dataset['id']}/schema/")
    output.say(f"{dataset['rows']} rows, {dataset['files']} images. Its columns were found to be:")
    for column in schema["columns"]:
        output.say(f"  {column['name']:12} {column['type']:12} {column['role']:10} {column['why']}")
    wish = {
        "dataset_id": dataset["id"],
        "model": "multimodal",
        "target": demo_data.TARGET,
        "epochs": EPOCHS,
        "start": True,
    }
    job = client.post("training_jobs/", {**wish, "name": "demo"})
    output.say(f"Training: {client.url}/jobs/{job['id']}")
    job = waiting.watch(client, output, job["id"])
    if output.as_json:
        output.json(job)
    else:
        print_result(client, output, job)
    if job["state"] != "succeeded":
        output.fail(f"The job {job['state']}: {job['reason']}")
        return 1
    return 0


def _uploaded(client: Client, output: Output) -> dict[str, Any] | None:
    """Find the data set of an earlier demo."""
    for item in client.get("datasets/", search=NAME)["items"]:
        if item["name"] == NAME and item["state"] == "ready":
            output.say("The demo's data set is there already.")
            found: dict[str, Any] = item
            return found
    return None
