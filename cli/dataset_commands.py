"""`triptych datasets …`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from cli import waiting
from cli.output import moment, size
from cli.session import session_of

app = typer.Typer(name="datasets", help="Tables and their images.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Part of the name.")] = "",
    page: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """List data sets, newest first."""
    session = session_of(context)
    answer = session.client.datasets(search=search, page=page)
    if session.output.as_json:
        session.output.json(answer)
        return
    columns = ("id", "name", "state", "rows", "columns", "files", "size", "created")
    session.output.table(
        columns,
        (
            (
                item["id"],
                item["name"],
                item["state"],
                item["rows"],
                item["n_columns"],
                item["files"],
                size(item["bytes"]),
                moment(item["created_at"]),
            )
            for item in answer["items"]
        ),
    )


@app.command()
def show(context: typer.Context, dataset: str) -> None:
    """Show a data set: how far it is, and what its columns are taken for."""
    session = session_of(context)
    answer = session.client.dataset(dataset)
    schema = session.client.schema(dataset)
    if session.output.as_json:
        session.output.json({**answer, "schema": schema})
        return
    session.output.line(
        f"{answer['name']}: {answer['state']}, {answer['rows']} rows, {answer['files']} files, {size(answer['bytes'])}"
    )
    for name, track in (("schema", answer["schema_track"]), ("staging", answer["staging_track"])):
        session.output.line(f"{name}: {track['state']}{': ' + track['reason'] if track['reason'] else ''}")
    session.output.table(
        ("column", "type", "role", "why"),
        ((column["name"], column["type"], column["role"], column["why"]) for column in schema["columns"]),
    )
    if schema["target"]:
        session.output.line(f"target: {schema['target']}")


@app.command()
def upload(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(metavar="CSV")],
    images: Annotated[Path | None, typer.Option(metavar="DIR|ZIP", help="The table's images.")] = None,
    name: Annotated[str | None, typer.Option(help="By default the table's name.")] = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is ready to train on.")] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on where an earlier upload of the same files broke off.")
    ] = True,
) -> None:
    """Upload a table and its images."""
    session = session_of(context)
    dataset = waiting.upload(session.client, session.output, table, images, name, resume=resume)
    if wait:
        dataset = waiting.until_ready(session.client, session.output, dataset["id"])
    if session.output.as_json:
        session.output.json(dataset)
    else:
        session.output.line(f"{dataset['id']}  {dataset['state']}")


@app.command()
def delete(context: typer.Context, dataset: str) -> None:
    """Delete a data set with its files."""
    session = session_of(context)
    session.client.delete_dataset(dataset)
    if session.output.as_json:
        session.output.json({"deleted": dataset})
    else:
        session.output.line(f"{dataset} is deleted")
