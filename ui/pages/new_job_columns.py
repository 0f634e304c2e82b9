"""The columns of a new job: the target, and for each other column whether it is used and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, dcc, html

from client import ApiError
from contracts.schema import ColumnType, Role
from ui import wording
from ui.pages.classes import balance
from ui.parts import Node, attributes, card, failure, name
from ui.schema_form import keeping

if TYPE_CHECKING:
    from client import Api
    from client.types import DatasetColumns, EffectiveColumn, JobDetail
    from ui.pages.new_job_request import Column

# Controls for more columns would make the page slow; their roles are set on the data set's page
MAX_CONTROLS = 200
TYPES = [kind.value for kind in ColumnType]


def section(schema: DatasetColumns, former: JobDetail | None, kept: str) -> Node:
    """Give the card, as the schema has it, or as a former job on the same data had it."""
    columns: list[Column] = [{"name": column["name"], "type": column["type"]} for column in schema["columns"]]
    target = former["target"] if former else schema["target"]
    settings = former["settings"] if former else {}
    used_before = set(settings.get("feature_columns") or ())
    typed_before = settings.get("column_types") or {}
    if len(columns) > MAX_CONTROLS:
        used = sum(
            column["role"] == Role.FEATURE.value and column["name"] != target for column in schema["columns"]
        )
        features: Node = html.P(
            f"The {wording.whole(used)} columns with the role “use as feature” are used. "
            "A table this wide is edited on the data set's page.",
            className="quiet",
        )
        columns = []
    else:
        features = html.Ul(
            [
                _feature(
                    column["name"] in used_before if used_before else column["role"] == Role.FEATURE.value,
                    typed_before.get(column["name"], column["type"]),
                    column,
                    target,
                    kept,
                )
                for column in schema["columns"]
            ],
            className="features",
        )
    return card(
        dcc.Store(id="job-columns", data=columns),
        dmc.Select(
            id="job-target",
            label="Column to predict",
            data=[column["name"] for column in schema["columns"]],
            value=target,
            **keeping(kept),
            searchable=True,
            allowDeselect=False,
            placeholder="Pick one",
            nothingFoundMessage="No such column",
            className="target-select",
        ),
        html.Div(balance(schema, target), id="job-classes", **attributes(aria_live="polite")),
        html.Div(
            [
                html.H3("Learn from"),
                html.Span(id="feature-count", className="quiet", **attributes(aria_live="polite")),
            ],
            className="split",
        ),
        features,
        title="Columns",
    )


def _feature(
    used: bool,  # noqa: FBT001 - one call
    kind: str,
    column: EffectiveColumn,
    target: str | None,
    kept: str,
) -> Node:
    index, title = column["position"], column["name"]
    return html.Li(
        [
            dmc.Checkbox(
                id={"part": "feature", "index": index},
                label=name(title),
                checked=used and title != target,
                **keeping(kept),
                className="feature-check",
            ),
            dmc.Select(
                id={"part": "feature-type", "index": index},
                data=TYPES,
                value=kind,
                **keeping(kept),
                allowDeselect=False,
                size="xs",
                **attributes(aria_label=f"Type of {title}"),
            ),
        ],
        id={"part": "feature-row", "index": index},
        className="feature target-row" if title == target else "feature",
    )


def register(app: Dash, api: Api) -> None:
    """Hide the target among the features, count those that are used, and show the classes of the target."""

    @app.callback(
        Output({"part": "feature-row", "index": ALL}, "className"),
        Output("feature-count", "children"),
        Input("job-target", "value"),
        Input({"part": "feature", "index": ALL}, "checked"),
        State("job-columns", "data"),
    )
    def _mark(target: str | None, features: list[bool], columns: list[Column]) -> tuple[list[str], str]:
        classes = ["feature target-row" if column["name"] == target else "feature" for column in columns]
        used = sum(
            bool(checked) and column["name"] != target
            for checked, column in zip(features, columns, strict=False)
        )
        others = [column for column in columns if column["name"] != target]
        return classes, f"{used} of {wording.plural(len(others), 'column')}" if columns else ""

    # called at first, too: the browser may have kept another target
    @app.callback(
        Output("job-classes", "children"), Input("job-target", "value"), State("job-dataset", "data")
    )
    def _classes(target: str | None, dataset_id: str) -> Node:
        try:
            return balance(api.schema(dataset_id), target)
        except ApiError as error:
            return failure(error)
