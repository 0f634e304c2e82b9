"""The columns of a data set: what each was taken for, why, and the controls to say otherwise. A change is saved at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dash_mantine_components as dmc
from dash import MATCH, Dash, Input, Output, State, ctx, dcc, html, no_update

from client import Api, ApiError
from ui import wording
from ui.distribution import distribution
from ui.pages import column_card
from ui.pages.classes import balance
from ui.pages.lists import page_count, pages
from ui.parts import JSON, Node, attributes, card, failure

if TYPE_CHECKING:
    from client.types import ColumnChange, ColumnType, DatasetColumns, EffectiveColumn, Role

PAGE_SIZE = 30


def section(schema: DatasetColumns) -> Node:
    """Give the whole section: target, search, columns."""
    columns = schema["columns"]
    return card(
        dcc.Store(id="columns-search-value"),
        html.Div(
            [
                html.Div(_target_select(schema), id="target-control"),
                dmc.TextInput(
                    id="columns-search",
                    label="Find a column",
                    debounce=300,
                    inputProps={"type": "search"},
                    style={"display": "block" if len(columns) > PAGE_SIZE else "none"},
                ),
            ],
            className="controls",
        ),
        html.Div(id="target-note", **attributes(aria_live="polite")),
        html.Div(balance(schema, schema["target"]), id="target-classes"),
        html.Ul(_cards(schema, "", 1), id="columns-list", className="columns"),
        pages(page_count(len(columns), PAGE_SIZE), "columns-page"),
        title="Columns",
        aside=html.Span("Changes are saved at once.", className="quiet"),
    )


def register(app: Dash, api: Api) -> None:
    """Save changes of types, roles and the target; search and turn pages."""

    @app.callback(
        Output("columns-list", "children"),
        Output("columns-page", "total"),
        Output("columns-page", "value"),
        Output("target-note", "children"),
        Output("target-select", "value"),
        Output("target-select", "data"),
        Output("target-classes", "children"),
        Input("columns-search", "value"),
        Input("columns-page", "value"),
        Input("target-select", "value"),
        Input("dataset-seen", "data"),
        State("dataset-id", "data"),
        prevent_initial_call=True,
    )
    def _show(
        search: str | None, page: int | None, target: str | None, _seen: str, dataset_id: str
    ) -> tuple[Any, ...]:
        note: Node = None
        try:
            schema = api.schema(dataset_id)
            if ctx.triggered_id == "target-select" and target and target != schema["target"]:
                schema, note = _save_target(api, dataset_id, schema, target)
        except ApiError as error:
            return no_update, no_update, no_update, failure(error), no_update, no_update, no_update
        wanted = 1 if ctx.triggered_id == "columns-search" else page or 1
        count = page_count(len(_matching(schema, search or "")), PAGE_SIZE)
        shown = _cards(schema, search or "", wanted)
        classes = balance(schema, schema["target"])
        return shown, count, wanted, note, schema["target"], _target_choices(schema), classes

    # The two selects stay in place, so the keyboard's focus does too
    @app.callback(
        Output({"part": "column-words", "index": MATCH}, "children"),
        Output({"part": "column-picture", "index": MATCH}, "children"),
        Output({"part": "column-note", "index": MATCH}, "children"),
        Output({"part": "column-type", "index": MATCH}, "value"),
        Output({"part": "column-role", "index": MATCH}, "value"),
        Input({"part": "column-type", "index": MATCH}, "value"),
        Input({"part": "column-role", "index": MATCH}, "value"),
        State({"part": "column-role", "index": MATCH}, "id"),
        State("dataset-id", "data"),
        prevent_initial_call=True,
    )
    def _change(kind: ColumnType, role: Role, control: JSON, dataset_id: str) -> tuple[Any, ...]:
        column: EffectiveColumn | None = None
        try:
            schema = api.schema(dataset_id)
            column = schema["columns"][control["index"]]
            wanted: ColumnChange = {"type": kind} if kind != column["type"] else {}
            if role != column_card.role(column, schema):
                wanted["role"] = role
            elif wanted and (followed := column_card.role_to_follow(column, schema, kind)):
                wanted["role"] = cast("Role", followed)
            if not wanted:
                return (no_update,) * 5
            schema = api.change_schema(dataset_id, {"columns": {column["name"]: wanted}})
        except ApiError as error:
            back = (column["type"], column_card.role(column, schema)) if column else (no_update, no_update)
            return no_update, no_update, failure(error), *back
        column = schema["columns"][control["index"]]
        return (
            column_card.words(column, schema),
            distribution(column),
            [_saved(), column_card.chosen(column, schema)],
            column["type"],
            column_card.role(column, schema),
        )


def _save_target(
    api: Api, dataset_id: str, schema: DatasetColumns, target: str
) -> tuple[DatasetColumns, Node]:
    try:
        return api.change_schema(dataset_id, {"target": target}), _saved()
    except ApiError as error:
        return schema, failure(error)


def _saved() -> Node:
    return html.Span("Saved", className="saved")


def _target_select(schema: DatasetColumns) -> Node:
    return dmc.Select(
        id="target-select",
        label="Column to predict",
        description="Any column with at least two classes and several rows for each",
        data=_target_choices(schema),
        value=schema["target"],
        searchable=True,
        allowDeselect=False,
        placeholder="Pick one",
        nothingFoundMessage="No such column",
        className="target-select",
    )


def _target_choices(schema: DatasetColumns) -> list[JSON]:
    candidates = {entry["column"]: entry for entry in schema["detected"]["targets"]}
    likely = [
        {
            "value": column,
            "label": f"{wording.isolated(column)} – {wording.whole(entry['classes'])} classes, {wording.percent(entry['confidence'], 0)} sure",
        }
        for column, entry in candidates.items()
    ]
    others = [
        {"value": column["name"], "label": column["name"]}
        for column in schema["columns"]
        if column["name"] not in candidates
    ]
    groups = [{"group": "Likely", "items": likely}, {"group": "Other columns", "items": others}]
    return [group for group in groups if group["items"]]


def _matching(schema: DatasetColumns, search: str) -> list[EffectiveColumn]:
    wanted = search.casefold()
    return [column for column in schema["columns"] if wanted in column["name"].casefold()]


def _cards(schema: DatasetColumns, search: str, page: int) -> Node:
    found = _matching(schema, search)
    if not found:
        return html.Li(f"No column's name holds “{search}”.", className="quiet", dir="auto")
    shown = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return [
        html.Li(
            column_card.content(column, schema),
            className="column",
            key=f"{column['position']}-{column['type']}",
        )
        for column in shown
    ]
