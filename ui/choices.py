"""Selects whose choices are too many for a page: the API finds those that what is typed is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, no_update

from client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.parts import JSON

LONGEST = 300  # characters of a search that the API takes


def search_choices(app: Dash, select: str, find: Callable[[str], list[JSON]]) -> None:
    """Let a select offer what is found for the words typed into it.

    Args:
        app: The app.
        select: Id of the select, which is searchable and begins with an empty searchValue.
        find: Gives choices, {"value", "label"}, for some words; the labels hold these, since the browser searches them too.
    """

    @app.callback(
        Output(select, "data"),
        Input(select, "searchValue"),
        State(select, "data"),
        prevent_initial_call=True,
    )
    def _search(typed: str | None, known: list[JSON]) -> Any:
        try:
            found = find((typed or "")[:LONGEST])
        except ApiError:
            return no_update  # what was found before can still be chosen; choosing says what is wrong
        choices = offered(found, known)
        return no_update if choices == known else choices


def offered(found: list[JSON], known: list[JSON]) -> list[JSON]:
    """Give the choices to offer: what is new of the found ones, then all that was offered before.

    Nothing that is known is taken away, for the control forgets a choice that is no longer among its data.
    Where nothing is new, all stays as it is: new data reach the control with the choice that Dash knows of,
    and undo the one that was made in the moment before.
    """
    there = {choice["value"] for choice in known}
    new = [choice for choice in found if choice["value"] not in there]
    return [*new, *known]
