"""`triptych whoami`, `keys …`, `workspaces …`: who one is here, and who else may come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.output import moment
from cli.session import session_of

if TYPE_CHECKING:
    from client.types import KeyWish

keys = typer.Typer(name="keys", help="API keys of a workspace.", no_args_is_help=True)
workspaces = typer.Typer(name="workspaces", help="What owns data sets and jobs.", no_args_is_help=True)

WorkspaceOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Another workspace than your own; needs the scope operator."),
]


def whoami(context: typer.Context) -> None:
    """Tell whom the platform takes you for, and what you may do."""
    session = session_of(context)
    answer = session.client.who()
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.line(f"{answer['name']}, in the workspace {answer['workspace_name']}")
    session.output.line(f"may: {', '.join(answer['scopes'])}")


@keys.command("list")
def list_keys(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List them, newest first, ended ones included; never the keys themselves."""
    session = session_of(context)
    answer = session.client.keys(workspace=workspace)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("id", "name", "ends in", "scopes", "made", "last used", "expires", "revoked"),
        (
            (
                item["id"],
                item["name"],
                item["hint"],
                ", ".join(item["scopes"]),
                moment(item["created_at"]),
                moment(item["used_at"]),
                moment(item["expires_at"]) or "never",
                moment(item["revoked_at"]),
            )
            for item in answer["items"]
        ),
    )


@keys.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="For whom or what it is.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, write, admin or operator; may be repeated. Without: read and write."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many; without, never.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Make one. Standard output holds the key, which nobody can read again."""
    session = session_of(context)
    # which scopes there are, the platform says
    wish = cast("KeyWish", {"name": name, "scopes": scope or ["read", "write"]})
    if days is not None:
        wish["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    if workspace is not None:
        wish["workspace"] = workspace
    answer = session.client.make_key(wish)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.say(f"Key {answer['id']} may: {', '.join(answer['scopes'])}. It is shown this once:")
    session.output.line(answer["key"])


@keys.command()
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `triptych keys list` shows it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """End one for good, and with it every browser that it signed in."""
    session = session_of(context)
    session.client.revoke_key(key, workspace=workspace)
    if session.output.as_json:
        session.output.json({"id": key})
    else:
        session.output.line(f"{key}  revoked")


@workspaces.command("list")
def list_workspaces(context: typer.Context) -> None:
    """List them by name."""
    session = session_of(context)
    answer = session.client.workspaces()
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.table(
        ("id", "name", "made"),
        ((item["id"], item["name"], moment(item["created_at"])) for item in answer["items"]),
    )


@workspaces.command("create")
def create_workspace(context: typer.Context, name: str) -> None:
    """Make one, which nobody can come into before it has a key."""
    session = session_of(context)
    answer = session.client.make_workspace(name)
    if session.output.as_json:
        session.output.json(answer)
        return
    session.output.line(answer["id"])
    session.output.say(
        f"Now a key for it: triptych keys create first --workspace {answer['id']} --scope read --scope write --scope admin"
    )
