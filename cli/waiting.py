"""Waits for data sets to be ready and for jobs to end, showing how far they are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.errors import CommandFailed, told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli.output import Output
    from client import Client, Refused
    from client.types import DatasetDetail, JobDetail

JSON = dict[str, Any]
ENDS = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
_POLL_SECONDS = 0.5


def upload(
    client: Client,
    output: Output,
    table: Path,
    images: Path | None,
    name: str | None = None,
    *,
    resume: bool = True,
) -> DatasetDetail:
    """Upload a table and its images behind a progress bar."""

    def waits(refused: Refused) -> None:
        output.say(f"{told(refused)} Trying again in {refused.retry_after} s …")

    with output.transfer() as progress:
        task = progress.add_task("Uploading", total=None)
        return client.upload(
            table,
            images,
            name=name,
            resume=resume,
            begin=lambda total: progress.update(task, total=total),
            advance=lambda count: progress.advance(task, count),
            waits=waits,
        )


def until_ready(
    client: Client, output: Output, dataset_id: str, pause: Callable[[float], object] = time.sleep
) -> DatasetDetail:
    """Wait until a data set's columns are detected and its files staged.

    Returns:
        The data set.

    Raises:
        CommandFailed: It is rejected; with the reason.
    """
    with output.transfer() as progress:
        task = progress.add_task("Staging", total=None)
        while True:
            dataset = client.dataset(dataset_id)
            staging = dataset["staging_track"]
            progress.update(task, completed=staging["bytes_done"], total=staging["bytes_total"] or None)
            if dataset["state"] == "ready":
                return dataset
            if dataset["state"] == "rejected":
                raise CommandFailed(f"The data set is rejected: {dataset['reason']}")
            pause(_POLL_SECONDS)


@dataclass
class Training:
    """What a job's event stream has told so far."""

    epochs: int  # 0 where the model's preset decides
    attempt: int = 0
    state: str = "queued"
    phase: str = ""
    progress: float = 0.0
    epoch: int = 0
    train: dict[str, float] = field(default_factory=dict)
    val: dict[str, float] = field(default_factory=dict)

    def take(self, kind: str, item: JSON) -> bool:
        """Take one message in.

        Returns:
            Whether an epoch's validation has come in.
        """
        if kind == "heartbeat":
            self.phase, self.progress = item["phase"], item["progress"]
            return False
        if kind not in {"state", "point", "evaluation", "artifact"}:
            return False  # a word of something else, such as that the log has grown
        if item["attempt"] != self.attempt:
            self.attempt, self.epoch, self.train, self.val = item["attempt"], 0, {}, {}
        data = item["data"]
        if kind == "state":
            self.state = data["state"]
        elif kind == "point" and data["split"] == "train":
            self.train = data["values"]
        elif kind == "point" and data["split"] == "val":
            self.epoch, self.val = round(data["epoch"]), data["values"]
            return True
        return False

    def words(self) -> str:
        """Put accuracy and loss into words."""
        shown = []
        for split, values in (("train", self.train), ("val", self.val)):
            for name, short in (("accuracy", "acc"), ("loss", "loss")):
                if name in values:
                    shown.append(f"{split} {short} {values[name]:.3f}")
        return "  ".join(shown)


def watch(client: Client, output: Output, job_id: str) -> JobDetail:
    """Follow a job to its end.

    Returns:
        The job as it ended.
    """
    job = client.job(job_id)
    training = Training(epochs=int(job["settings"].get("epochs") or 0))
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        TextColumn("{task.fields[epoch]}"),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    interactive = output.err.is_terminal
    with Progress(*columns, console=output.err, disable=not interactive) as bar:
        task = bar.add_task("queued", total=training.epochs or None, epoch="", words="")
        for message in client.events(job_id):
            new_epoch = training.take(message.event, message.data)
            running = training.state == "running"
            label = training.phase if running and training.phase else training.state
            epoch = f"epoch {training.epoch}" + (f"/{training.epochs}" if training.epochs else "")
            bar.update(task, description=label, completed=training.epoch, epoch=epoch, words=training.words())
            if new_epoch and not interactive:
                output.say(f"{epoch}  {training.words()}")
    return _ended(client, job_id)


def _ended(client: Client, job_id: str, pause: Callable[[float], object] = time.sleep) -> JobDetail:
    # The stream's last item and the job's own row come from two services, moments apart
    while True:
        job = client.job(job_id)
        if job["state"] in ENDS:
            return job
        pause(_POLL_SECONDS)
