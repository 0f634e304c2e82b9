"""`triptych train`: from a CSV to a trained model in one command."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli import waiting
from cli.findings import create_job
from cli.job_commands import finish
from cli.session import session_of
from cli.wish import pair, settings_of, wish_of

if TYPE_CHECKING:
    from client.types import ColumnChange, ColumnType


def train(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(metavar="CSV")],
    target: Annotated[str, typer.Option(metavar="COL", help="The column to predict.")],
    images: Annotated[Path | None, typer.Option(metavar="DIR|ZIP", help="The table's images.")] = None,
    model: Annotated[str, typer.Option(help="See `triptych models`.")] = "multimodal",
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the job or a parameter of the model."),
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(metavar="COL", help="A column not to learn from; may be repeated.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="COL=TYPE", help="What a column is, where detection is wrong."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the job.")] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Train in spite of an error in the data; may be repeated."),
    ] = None,
    *,
    wait: Annotated[bool, typer.Option(help="Follow the training to its end.")] = True,
) -> None:
    """Upload a table, train a model on it, print the result."""
    session = session_of(context)
    client, output = session.client, session.output
    changes: dict[str, ColumnChange] = {column: {"role": "leave_out"} for column in leave_out or ()}
    for text in type_ or ():
        column, kind = pair(text, "--type")
        changes.setdefault(column, {})["type"] = cast("ColumnType", kind)  # the platform says which there are
    settings = settings_of(set_ or (), "--set")
    dataset = waiting.upload(client, output, table, images)
    waiting.until_ready(client, output, dataset["id"])
    if changes:
        client.change_schema(dataset["id"], {"columns": changes})
    wish = wish_of(
        settings,
        dataset_id=dataset["id"],
        model=model,
        target=target,
        start=True,
        epochs=epochs,
        name=name,
        ignore=ignore,
    )
    job = create_job(client, output, wish)
    output.say(f"Job {job['id']}: {client.url}/jobs/{job['id']}")
    if wait:
        finish(client, output, job["id"])
    elif output.as_json:
        output.json(job)
    else:
        output.line(job["id"])
