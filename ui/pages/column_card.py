"""One column of a data set: the verdict in words, its distribution, and the controls to say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dash_mantine_components as dmc
from dash import html

from contracts.job import MODALITY_OF
from contracts.schema import ColumnType, Role
from ui import wording
from ui.distribution import distribution
from ui.parts import Node, attributes, name

if TYPE_CHECKING:
    from client.types import DatasetColumns, EffectiveColumn

SHOWN_EXAMPLES = 4
TYPES = [kind.value for kind in ColumnType]
# No model can learn from them
USELESS = {kind.value for kind in ColumnType if kind not in MODALITY_OF}
ROLES = [
    {"value": Role.FEATURE.value, "label": "use as feature"},
    {"value": Role.LEAVE_OUT.value, "label": "leave out"},
]


def role(column: EffectiveColumn, schema: DatasetColumns) -> str:
    """Give the role as the control shows it; the target is chosen elsewhere."""
    if column["name"] == schema["target"]:
        return Role.TARGET.value
    # a column that was only suggested as target is no feature unless someone says so
    return Role.FEATURE.value if column["role"] == Role.FEATURE.value else Role.LEAVE_OUT.value


def content(column: EffectiveColumn, schema: DatasetColumns) -> Node:
    """Give the whole card."""
    index, title = column["position"], column["name"]
    is_target = title == schema["target"]
    return [
        html.Div(
            words(column, schema), id={"part": "column-words", "index": index}, className="column-words"
        ),
        html.Div(
            distribution(column), id={"part": "column-picture", "index": index}, className="column-picture"
        ),
        html.Div(
            [
                dmc.Select(
                    id={"part": "column-type", "index": index},
                    label="Type",
                    data=TYPES,
                    value=column["type"],
                    allowDeselect=False,
                    **attributes(aria_label=f"Type of {title}"),
                ),
                dmc.Select(
                    id={"part": "column-role", "index": index},
                    label="Role",
                    data=[{"value": Role.TARGET.value, "label": "target"}] if is_target else ROLES,
                    value=role(column, schema),
                    allowDeselect=False,
                    disabled=is_target,
                    **attributes(aria_label=f"Role of {title}"),
                ),
                html.Div(
                    chosen(column, schema),
                    id={"part": "column-note", "index": index},
                    className="column-note",
                    **attributes(aria_live="polite"),
                ),
            ],
            className="column-controls",
        ),
    ]


def words(column: EffectiveColumn, schema: DatasetColumns) -> Node:
    """Say what it was taken for, why, and what speaks against it."""
    target = (
        dmc.Badge("target", size="sm", radius="sm", className="badge")
        if column["name"] == schema["target"]
        else None
    )
    return [
        html.H3([name(column["name"]), target]),
        html.P(_why(column, schema), className="why", dir="auto"),
        _missing(column),
        _disagreeing(column),
        html.P(_role_why(column, schema), className="quiet", dir="auto"),
    ]


def _why(column: EffectiveColumn, schema: DatasetColumns) -> str:
    detected = schema["detected"]["columns"][column["position"]]
    pattern = column["datetime_format"]
    why = column["why"].replace(pattern, wording.date_format(pattern)) if pattern else column["why"]
    return why if detected["type"] == column["type"] else f"Was taken for {detected['type']}: {why}"


def _role_why(column: EffectiveColumn, schema: DatasetColumns) -> str:
    """Give the reason of the role that was suggested, where it is still that one and its reason still holds."""
    detected = schema["detected"]["columns"][column["position"]]
    same = (detected["type"], detected["role"]) == (column["type"], column["role"])
    return column["role_why"] if same else ""


def role_to_follow(column: EffectiveColumn, schema: DatasetColumns, kind: str) -> str | None:
    """Give the role that another type brings with it, or None where it stays, as one that a person chose against the type does.

    Args:
        column: As it is so far.
        schema: Of its data set.
        kind: The type that was chosen for it.
    """
    usual, following = (
        Role.LEAVE_OUT.value if each in USELESS else Role.FEATURE.value for each in (column["type"], kind)
    )
    chosen_before = schema["overrides"].get(column["name"], {}).get("role", usual) != usual
    if chosen_before or column["name"] == schema["target"] or usual == following:
        return None
    return following


def chosen(column: EffectiveColumn, schema: DatasetColumns) -> Node:
    """Say that a person decided otherwise than the detection."""
    if not column["overridden"]:
        return None
    detected = schema["detected"]["columns"][column["position"]]
    if detected["type"] == column["type"]:
        return html.Span("Changed by you", className="quiet")
    return html.Span(f"Changed by you; detected: {detected['type']}", className="quiet")


def _missing(column: EffectiveColumn) -> Node:
    if not column["missing"]:
        return None
    share = column["missing"] / max(1, column["rows"])
    tokens = ", ".join(f"“{token}”" for token in column["missing_tokens"])
    words = f"{wording.whole(column['missing'])} of {wording.plural(column['rows'], 'row')} missing ({wording.percent(share)})"
    return html.P(f"{words}; {tokens} counted as missing" if tokens else words, className="warn")


def _disagreeing(column: EffectiveColumn) -> Node:
    examples = column["disagreeing"]
    if not examples:
        return None
    shown = [html.Code(example, dir="auto") for example in examples[:SHOWN_EXAMPLES]]
    return html.P(
        [f"{wording.plural(column['disagreeing_count'], 'value')} that do not fit: ", *shown],
        className="warn examples",
    )
