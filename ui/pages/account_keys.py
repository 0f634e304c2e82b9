"""A workspace's API keys: a table of them, a form for another, a question before one is revoked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError
from ui import wording
from ui.parts import Node, attributes, card, failure, message, name, table, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.types import Key, KeyWish, NewKey, Who

ON_A_DATE, NEVER = "date", ""
EXPIRIES = (
    {"value": "30", "label": "in 30 days"},
    {"value": "90", "label": "in 90 days"},
    {"value": "365", "label": "in a year"},
    {"value": ON_A_DATE, "label": "on a date"},
    {"value": NEVER, "label": "never"},
)
Scope = Literal["read", "write", "admin", "operator"]
USUAL = ("read", "write")
COLORS = {"active": "teal", "revoked": "red", "expired": "gray"}


def section(api: Api, who: Who) -> Node:
    """Show the keys and the form, to one who may make keys."""
    return card(
        html.Div(_table(api), id="keys-list", **attributes(aria_live="polite")),
        dcc.Store(id="revoke-which"),
        dcc.Store(id="key-own", data=who["name"]),
        _form(who["scopes"]),
        _confirm(),
        title=f"API keys of {wording.isolated(who['workspace_name'])}",
    )


def _table(api: Api) -> Node:
    header = ("Name", "Ends in", "May", "Made", "Last used", "Expires", "State")
    listed = api.keys()["items"]
    return table(header, [_row(key) for key in listed], "API keys", stacked=True)


def _row(key: Key) -> list[Node]:
    state = state_of(key)
    revoke = dmc.Button(
        "Revoke",
        id={"part": "revoke", "key": key["id"], "name": key["name"]},
        size="compact-xs",
        variant="default",
        **attributes(aria_label=f"Revoke {key['name']}"),
    )
    badge = dmc.Badge(state, color=COLORS[state], variant="light", radius="sm", className="badge")
    return [
        html.Div(name(key["name"]), className="cell-name"),
        html.Code(f"…{key['hint']}"),
        ", ".join(key["scopes"]),
        when(key["created_at"]),
        when(key["used_at"]),
        _day(key["expires_at"]),
        html.Div([badge, revoke if state == "active" else None], className="key-state"),
    ]


def state_of(key: Key, now: datetime | None = None) -> str:
    """Say whether a key counts: active, expired or revoked."""
    if key["revoked_at"]:
        return "revoked"
    end = wording.moment(key["expires_at"])
    return "expired" if end is not None and end <= (now or datetime.now(UTC)) else "active"


def _day(text: str | None) -> Node:
    end = wording.moment(text)
    return "never" if end is None else html.Time(f"{end:%Y-%m-%d}", dateTime=text, title=wording.clock(text))


def _form(scopes: Sequence[str]) -> Node:
    own = [scope for scope in wording.SCOPES if scope in scopes]
    return html.Div(
        [
            dmc.Title("Make a key", order=3, className="form-title"),
            html.Div(
                [
                    dmc.TextInput(
                        id="key-name",
                        label="Name",
                        description="For whom or what it is",
                        inputProps={"maxLength": 100},
                    ),
                    dmc.Select(
                        id="key-expiry",
                        label="It expires",
                        description="From then on it does not count",
                        data=list(EXPIRIES),
                        value="90",
                        allowDeselect=False,
                    ),
                    html.Div(
                        dmc.TextInput(
                            id="key-date",
                            label="Last day",
                            description="To its end in UTC",
                            inputProps={"type": "date"},
                        ),
                        id="key-date-shown",
                        style={"display": "none"},
                    ),
                ],
                className="controls",
            ),
            dmc.CheckboxGroup(
                [
                    dmc.Checkbox(label=scope, description=wording.SCOPES[scope], value=scope, size="sm")
                    for scope in own
                ],
                id="key-scopes",
                label="Whoever has it may",
                value=[scope for scope in own if scope in USUAL],
                className="scopes",
            ),
            html.Div(dmc.Button("Make key", id="key-make"), className="actions"),
            html.Div(id="key-made", className="made"),
        ],
        className="key-form",
    )


def _confirm() -> Node:
    return dmc.Modal(
        [
            html.Div(id="revoke-words"),
            html.Div(id="revoke-error"),
            html.Div(
                [
                    dmc.Button("Keep it", id="revoke-cancel", variant="default"),
                    dmc.Button("Revoke", id="revoke-confirm", color="red"),
                ],
                className="actions end",
            ),
        ],
        id="revoke-dialog",
        title="Revoke this key?",
        centered=True,
        closeButtonProps={"aria-label": "Close"},
    )


def register(app: Dash, api: Api) -> None:
    """Make keys, and revoke them."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "showKeyDate"),
        Output("key-date-shown", "style"),
        Input("key-expiry", "value"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("key-made", "children"),
        Output("keys-list", "children"),
        Output("key-name", "value"),
        Output("key-name", "error"),
        Output("key-date", "error"),
        Output("key-scopes", "error"),
        Input("key-make", "n_clicks"),
        State("key-name", "value"),
        State("key-scopes", "value"),
        State("key-expiry", "value"),
        State("key-date", "value"),
        prevent_initial_call=True,
        running=[(Output("key-make", "loading"), True, False)],
    )
    def _make(
        _clicks: int | None,
        title: str | None,
        scopes: list[Scope] | None,
        expiry: str | None,
        day: str | None,
    ) -> tuple[Any, ...]:
        wish, errors = asked(title, scopes, expiry, day)
        beside = tuple(errors.get(field) for field in ("name", "date", "scopes"))
        if errors:
            return None, no_update, no_update, *beside
        try:
            return shown_once(api.make_key(wish)), _anew(api), "", *beside
        except ApiError as error:
            return failure(error), no_update, no_update, *beside

    @app.callback(
        Output("revoke-dialog", "opened"),
        Output("revoke-which", "data"),
        Output("revoke-words", "children"),
        Output("revoke-error", "children"),
        Output("keys-list", "children", allow_duplicate=True),
        Input({"part": "revoke", "key": ALL, "name": ALL}, "n_clicks"),
        Input("revoke-cancel", "n_clicks"),
        Input("revoke-confirm", "n_clicks"),
        State("revoke-which", "data"),
        State("key-own", "data"),
        prevent_initial_call=True,
    )
    def _revoke(_open: Any, _cancel: Any, _confirm: Any, which: str | None, own: str) -> tuple[Any, ...]:
        pressed = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return (no_update,) * 5  # a table was made anew
        if isinstance(pressed, dict):
            return True, pressed["key"], _what_ends(pressed["name"], own), None, no_update
        if pressed != "revoke-confirm" or not which:
            return False, None, no_update, None, no_update
        try:
            api.revoke_key(which)
            return False, None, no_update, None, _anew(api)
        except ApiError as error:
            return True, which, no_update, failure(error), no_update


def _anew(api: Api) -> Node:
    """List the keys after a change, which stands whatever comes of the list: a new key is shown this once."""
    try:
        return _table(api)
    except ApiError as error:
        return failure(error, again="/account")


def asked(
    title: str | None, scopes: Sequence[Scope] | None, expiry: str | None, day: str | None
) -> tuple[KeyWish, dict[str, str]]:
    """Give the body that makes a key, or what is wrong with which field of the form.

    Args:
        title: Of the key.
        scopes: Those that are ticked.
        expiry: One of EXPIRIES.
        day: The last day, where one was to be chosen: YYYY-MM-DD.
    """
    errors: dict[str, str] = {}
    if not (title or "").strip():
        errors["name"] = "Say what it is for."
    if not scopes:
        errors["scopes"] = "Tick at least one."
    end: datetime | None = None
    if expiry == ON_A_DATE:
        try:
            end = datetime.combine(date.fromisoformat(day or ""), time(23, 59, 59), UTC)
        except ValueError:
            errors["date"] = "Choose a day."
    elif expiry:
        end = datetime.now(UTC) + timedelta(days=int(expiry))
    expires_at = None if end is None else end.isoformat(timespec="seconds")
    wish: KeyWish = {"name": (title or "").strip(), "scopes": list(scopes or ()), "expires_at": expires_at}
    return wish, errors


def shown_once(made: NewKey, *of: Node) -> Node:
    """Show a new key to be copied: nobody can read it again.

    Args:
        made: What the API answered.
        of: Whose it is, where that is not clear.
    """
    field = html.Code(made["key"], className="key-field")
    copy = html.Button("Copy", type="button", className="link-button", **attributes(data_copy=made["key"]))
    return message(
        "warning",
        ["Copy the key ", name(made["name"]), *of, " now"],
        [
            html.P(
                "It is shown this once. Nobody can read it again: if it is lost, revoke it and make another."
            ),
            html.Div([field, copy], className="key-shown"),
        ],
        urgent=False,
    )


def _what_ends(title: str, own: str) -> Node:
    ends = " is refused from then on, and browsers that it signed in are signed out at once. Jobs go on. It cannot be undone."
    yours = html.P(
        "You are here by a key of this name. If it is this one, you are out, too.", className="warn"
    )
    return [html.P(["Whatever uses ", html.Strong(name(title)), ends]), yours if title == own else None]
