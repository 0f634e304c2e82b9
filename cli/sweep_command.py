"""`triptych sweep`: a job for every combination of some settings, and a table of how they did."""

from __future__ import annotations

import time
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandFailed, told
from cli.findings import create_job
from cli.session import session_of
from cli.waiting import ENDS
from cli.wish import pair, settings_of, value_of, wish_of
from client import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.output import Output
    from client import Client
    from client.types import JobDetail, JobWish

JSON = dict[str, Any]
_POLL_SECONDS = 2.0
_SHOWN = ("accuracy", "macro_f1", "log_loss")
_LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece", "loss"})


def sweep(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Id of a data set that is there.")],
    vary: Annotated[
        list[str],
        typer.Option(metavar="KEY=A,B,…", help="A setting as --set has it, and its values; may be repeated."),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COL", help="The column to predict, where the data set names none.")
    ] = None,
    model: Annotated[str, typer.Option(help="See `triptych models`.")] = "multimodal",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="What all jobs have alike.")
    ] = None,
    name: Annotated[str, typer.Option(help="Begins the name of each job.")] = "sweep",
    by: Annotated[str, typer.Option(metavar="METRIC", help="The best by this comes first.")] = "macro_f1",
    most: Annotated[int, typer.Option(min=1, help="More combinations than these are refused.")] = 50,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Train in spite of an error in the data; may be repeated."),
    ] = None,
    *,
    wait: Annotated[bool, typer.Option(help="Follow the jobs to their ends.")] = True,
) -> None:
    """Train once for every combination of some settings, and compare the results."""
    session = session_of(context)
    client, output = session.client, session.output
    combinations = _combinations(vary, most)
    alike = settings_of(set_ or (), "--set")
    bodies = [
        wish_of(
            alike | one,
            dataset_id=dataset,
            model=model,
            target=target,
            ignore=ignore,
            name=f"{name}: {_words(one)}"[:300],
        )
        for one in combinations
    ]
    jobs = _started(client, output, bodies)
    ids = [job["id"] for job in jobs]
    output.say(f"{len(jobs)} jobs: {client.url}/jobs/compare?jobs={','.join(ids)}")
    if wait:
        jobs = until_ended(client, output, ids)
    order = sorted(
        zip(combinations, jobs, strict=True), key=lambda one: _rank((one[1]["metrics"] or {}).get(by), by)
    )
    _show(output, order)
    if wait and (bad := sum(job["state"] != "succeeded" for job in jobs)):
        raise CommandFailed(f"{bad} of {len(jobs)} jobs did not succeed.")


def _started(client: Client, output: Output, bodies: list[JobWish]) -> list[JobDetail]:
    """Create all jobs, then start all, so that a combination which is refused costs nothing."""
    jobs: list[JobDetail] = []
    for body in bodies:
        try:
            # They are about the same data, so its findings are said once
            jobs.append(client.create_job(body) if jobs else create_job(client, output, body))
        except (CommandFailed, Refused) as error:
            text = told(error) if isinstance(error, Refused) else str(error)
            raise CommandFailed(f"Nothing was started. {body['name']}: {text}") from None
    for number, job in enumerate(jobs):
        try:
            client.start_job(job["id"])
        except Refused as refused:
            raise CommandFailed(f"{number} of {len(jobs)} jobs were started. Then: {told(refused)}") from None
    return jobs


def until_ended(
    client: Client, output: Output, ids: list[str], pause: Callable[[float], object] = time.sleep
) -> list[JobDetail]:
    """Follow jobs to their ends, and tell of each end.

    Returns:
        The jobs, in the order of the ids.
    """
    ended: dict[str, JobDetail] = {}
    while True:
        for job_id in ids:
            if job_id in ended:
                continue
            job = client.job(job_id)
            if job["state"] in ENDS:
                ended[job_id] = job
                reason = f": {job['reason']}" if job["reason"] else ""
                output.say(f"{len(ended)}/{len(ids)}  {job['name']}  {job['state']}{reason}")
        if len(ended) == len(ids):
            return [ended[job_id] for job_id in ids]
        pause(_POLL_SECONDS)


def _combinations(vary: list[str], most: int) -> list[JSON]:
    values: dict[str, list[Any]] = {}
    for text in vary:
        key, several = pair(text, "--vary")
        if key in values:
            raise CommandFailed(f"--vary names {key} twice; give its values with commas between.")
        values[key] = [value_of(value) for value in several.split(",")]
    count = prod(len(several) for several in values.values())
    if count > most:
        raise CommandFailed(f"These are {count} combinations, and --most is {most}.")
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def _words(combination: JSON) -> str:
    return ", ".join(f"{key}={value}" for key, value in combination.items())


def _rank(value: float | None, by: str) -> tuple[bool, float]:
    """Place the best first, and last what has no figure."""
    return value is None, (value or 0.0) * (1 if by in _LOWER_IS_BETTER else -1)


def _show(output: Output, order: list[tuple[JSON, JobDetail]]) -> None:
    if output.as_json:
        output.json({"items": [{"varied": one, "job": job} for one, job in order]})
        return
    varied = list(order[0][0])
    output.table(
        (*varied, *_SHOWN, "state", "job"),
        (
            (
                *one.values(),
                *(_figure((job["metrics"] or {}).get(key)) for key in _SHOWN),
                job["state"],
                job["id"],
            )
            for one, job in order
        ),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
