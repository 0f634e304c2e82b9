"""`triptych jobs …`, `logs` and `artifacts`."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import waiting
from cli.errors import CommandFailed
from cli.output import moment, size
from cli.result import print_result
from cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.output import Output
    from cli.session import Session
    from client import Client
    from client.types import Artifact, JobDetail

app = typer.Typer(name="jobs", help="Training jobs.", no_args_is_help=True)
_POLL_SECONDS = 1.0
_MOST_LINES = 10_000  # of a log that the platform gives at a time
_ENDED = {"failed": "failed", "cancelled": "was cancelled", "timed_out": "ran out of time"}


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only those on this data set.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """List jobs, newest first."""
    session = session_of(context)
    answer = session.client.jobs(state=state or "", dataset_id=dataset or "", page=page)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("id", "name", "data set", "model", "target", "state", "accuracy", "created"),
        (
            (
                job["id"],
                job["name"],
                job["dataset_name"],
                job["model"],
                job["target"],
                job["state"],
                _figure(job["metrics"].get("accuracy")),
                moment(job["created_at"]),
            )
            for job in answer["items"]
        ),
    )


@app.command()
def show(context: typer.Context, job: str) -> None:
    """Show a job: its settings, what it went through, its result."""
    session = session_of(context)
    answer = session.client.job(job)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.line(
        f"{answer['name']}: {answer['model']} on {answer['dataset_name']}, target {answer['target']}"
    )
    if answer["attempt"] > 1:
        session.output.line(f"attempt {answer['attempt']} of {answer['last_attempt']}")
    session.output.table(
        ("state", "at", "attempt", "reason"),
        ((step["state"], moment(step["at"]), step["attempt"], step["reason"]) for step in answer["history"]),
    )
    session.output.table(("setting", "value"), answer["settings"].items())
    if answer["findings"]:
        session.output.table(
            ("found before", "code", "what"),
            (
                (one["severity"] + (", ignored" if one["ignored"] else ""), one["code"], one["message"])
                for one in answer["findings"]
            ),
        )
    session.output.table(("metric", "value"), ((k, _figure(v)) for k, v in answer["metrics"].items()))


@app.command()
def start(context: typer.Context, job: str) -> None:
    """Start a job that was created and not started."""
    session = session_of(context)
    _tell(session, session.client.start_job(job))


@app.command()
def cancel(context: typer.Context, job: str) -> None:
    """Stop a job."""
    session = session_of(context)
    _tell(session, session.client.cancel_job(job))


@app.command()
def retry(context: typer.Context, job: str) -> None:
    """Try a job again that failed, was cancelled or ran out of time."""
    session = session_of(context)
    _tell(session, session.client.retry_job(job))


@app.command()
def watch(context: typer.Context, job: str) -> None:
    """Follow a job to its end; the exit status is 0 where it succeeds."""
    session = session_of(context)
    finish(session.client, session.output, job)


def finish(client: Client, output: Output, job_id: str) -> JobDetail:
    """Follow a job to its end and print its result.

    Returns:
        The job.

    Raises:
        CommandFailed: It did not succeed.
    """
    job = waiting.watch(client, output, job_id)
    if output.as_json:
        output.json(job)
    else:
        print_result(client, output, job)
    if job["state"] != "succeeded":
        raise CommandFailed(f"The job {_ENDED[job['state']]}: {job['reason'] or 'no reason is known'}")
    return job


def logs(
    context: typer.Context,
    job: str,
    tail: Annotated[int, typer.Option(min=1, max=_MOST_LINES, help="Lines from the end.")] = 200,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
) -> None:
    """Print the log of a job."""
    session = session_of(context)
    # The end of a log alone does not tell where the next answer goes on, so one that is followed is asked for whole
    answer = session.client.logs(job, tail=_MOST_LINES if follow else tail)
    if session.output.as_json and not follow:
        session.output.json(answer)
        return
    shown = answer["lines"][:-tail] if follow else []
    while True:
        fresh = _beyond(shown, answer["lines"])
        for line in fresh:
            session.output.json(line) if session.output.as_json else session.output.line(line)
        shown = answer["lines"]
        if not follow:
            return
        ended = session.client.job(job)["state"] in waiting.ENDS
        time.sleep(_POLL_SECONDS)
        answer = session.client.logs(job, tail=_MOST_LINES)
        if ended and not _beyond(shown, answer["lines"]):
            return


def artifacts(
    context: typer.Context,
    job: str,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", file_okay=False, help="Fetch them into this folder.")
    ] = None,
) -> None:
    """List a job's artifacts, or fetch them."""
    session = session_of(context)
    items = session.client.artifacts(job)["items"]
    paths = {} if download is None else _fetch(session, items, download)
    if session.output.as_json:
        fetched = [{**item, "path": paths[item["name"]]} for item in items] if paths else items
        session.output.json({"items": fetched})
    else:
        session.output.table(
            ("name", "size", "where"),
            ((item["name"], size(item["size"]), item["uri"]) for item in items),
        )


def _fetch(session: Session, items: Sequence[Artifact], folder: Path) -> dict[str, str]:
    """Download artifacts into a folder; gives the path of each by its name."""
    paths = {}
    folder.mkdir(parents=True, exist_ok=True)
    with session.output.transfer() as progress:
        for item in items:
            task = progress.add_task(item["name"], total=item["size"])
            # Whatever a server says, files land in this folder only
            target = folder / Path(item["name"]).name
            session.client.download(item["download_url"], target, partial(progress.advance, task))
            paths[item["name"]] = str(target)
    return paths


def _beyond(shown: list[str], lines: list[str]) -> list[str]:
    """Give what a log's tail has more than what was shown, even where its beginning has moved on."""
    for start in range(len(shown) + 1):
        overlap = shown[start:]
        if lines[: len(overlap)] == overlap:
            return lines[len(overlap) :]
    return lines


def _tell(session: Session, job: JobDetail) -> None:
    if session.output.as_json:
        session.output.json(job)
    else:
        session.output.line(f"{job['id']}  {job['state']}")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
