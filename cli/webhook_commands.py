"""`triptych webhooks …`: addresses that are told of jobs' ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.output import moment
from cli.session import session_of

if TYPE_CHECKING:
    from client.types import WebhookWish

app = typer.Typer(name="webhooks", help="Addresses that are told of jobs' ends.", no_args_is_help=True)


@app.command()
def create(
    context: typer.Context,
    url: str,
    event: Annotated[
        list[str] | None,
        typer.Option(help="Of which ends, e.g. job.failed; may be repeated. By default all."),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Tell an address; prints the secret that proves where messages come from, this once."""
    session = session_of(context)
    wish = {"url": url, "name": name, **({"events": event} if event else {})}
    # which events there are, the platform says
    answer = session.client.create_webhook(cast("WebhookWish", wish))
    if session.output.as_json:
        session.output.json(answer)
    else:
        session.output.line(f"{answer['id']}  {answer['secret']}")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List them, newest first."""
    session = session_of(context)
    answer = session.client.webhooks()
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("id", "name", "url", "events", "on"),
        (
            (
                item["id"],
                item["name"],
                item["url"],
                ", ".join(item["events"]),
                "yes" if item["enabled"] else "no",
            )
            for item in answer["items"]
        ),
    )


@app.command()
def test(context: typer.Context, webhook: str) -> None:
    """Send a message that says nothing but that it came; `messages` shows how that went."""
    session = session_of(context)
    answer = session.client.test_webhook(webhook)
    if session.output.as_json:
        session.output.json(answer)
    else:
        session.output.line(f"{answer['message_id']}  {answer['state']}")


@app.command()
def messages(
    context: typer.Context,
    webhook: str,
    state: Annotated[str | None, typer.Option(help="Only pending, delivered or dead ones.")] = None,
) -> None:
    """List the messages to one, latest first, and how their delivery went."""
    session = session_of(context)
    answer = session.client.webhook_messages(webhook, state=state)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("when", "message", "event", "state", "tries", "error"),
        (
            (
                moment(item["created_at"]),
                item["message_id"],
                item["event"],
                item["state"],
                item["attempts"],
                item["last_error"] or "",
            )
            for item in answer["items"]
        ),
    )


@app.command()
def delete(context: typer.Context, webhook: str) -> None:
    """Delete one; messages to it that are still to be delivered are not."""
    session_of(context).client.delete_webhook(webhook)
