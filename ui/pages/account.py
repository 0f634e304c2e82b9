"""The account: who is signed in, what that one may do, and for some the workspace's keys and all workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import html

from ui import wording
from ui.pages import account_keys, account_workspaces
from ui.parts import Node, card, facts, heading, name

if TYPE_CHECKING:
    from dash import Dash

    from client import Api
    from client.types import Who


def layout(api: Api) -> Node:
    """Give the page."""
    who = api.who()
    return html.Div(
        [
            heading("Account", actions=[_sign_out()] if who["signed_in"] else []),
            card(
                facts(
                    [
                        ("signed in as" if who["signed_in"] else "by the key", name(who["name"])),
                        ("workspace", name(who["workspace_name"])),
                    ]
                ),
                html.P("You may", className="quiet"),
                html.Ul([html.Li(_may(scope)) for scope in wording.SCOPES if scope in who["scopes"]]),
                None if who["signed_in"] else html.P(_NOBODY, className="quiet"),
                title="You",
            ),
            account_keys.section(api, who) if "admin" in who["scopes"] else None,
            account_workspaces.section(api) if _makes_workspaces(who) else None,
        ]
    )


_NOBODY = "Nobody is signed in: your requests bring this key along, as they do on the platform's own machine."


def register(app: Dash, api: Api) -> None:
    """Make and revoke keys, make workspaces."""
    account_keys.register(app, api)
    account_workspaces.register(app, api)


def _makes_workspaces(who: Who) -> bool:
    # the first key of a workspace needs the scope admin, too
    return {"operator", "admin"} <= set(who["scopes"])


def _may(scope: str) -> Node:
    return [html.Strong(scope), f": {wording.SCOPES[scope]}"]


def _sign_out() -> Node:
    # a form and no callback: the answer takes the cookie away
    return html.Form(
        html.Button("Sign out", type="submit", className="link-button"), method="POST", action="/sign-out"
    )
