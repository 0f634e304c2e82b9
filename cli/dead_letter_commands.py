"""`triptych dead-letters …`: events that a service gave up on."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import moment
from cli.session import session_of

app = typer.Typer(name="dead-letters", help="Events that a service gave up on.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    queue: Annotated[str | None, typer.Option(help="Only those of this queue, e.g. ingest.staging.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """List them, latest first."""
    session = session_of(context)
    answer = session.client.deliveries(state="dead", queue=queue, page=page)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("id", "died", "queue", "event", "about", "tries", "requeue", "error"),
        (
            (
                item["id"],
                moment(item["ended_at"]),
                item["queue"],
                item["event"],
                item["subject"],
                item["attempts"],
                "no" if item["instead"] else "yes",
                item["last_error"],
            )
            for item in answer["items"]
        ),
    )


@app.command()
def show(context: typer.Context, delivery: int) -> None:
    """Show one: what it says, why it died, what can be done."""
    session = session_of(context)
    answer = session.client.delivery(delivery)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.line(f"{answer['event']} to {answer['queue']}: {answer['state']}")
    if answer["last_error"]:
        session.output.line(f"after {answer['attempts']} tries: {answer['last_error']}")
    if answer["state"] == "dead":
        session.output.line(
            answer["instead"] or f"Try it again with: triptych dead-letters requeue {delivery}"
        )
    session.output.table(("field", "value"), answer["data"].items())


@app.command()
def requeue(context: typer.Context, delivery: int) -> None:
    """Try one again, as often as a new one; asking twice is safe."""
    session = session_of(context)
    answer = session.client.requeue(delivery)
    if session.output.as_json:
        session.output.json(answer)
    else:
        session.output.line(f"{answer['id']}  {answer['state']}")
