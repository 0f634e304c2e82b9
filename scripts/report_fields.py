"""Writes the tables of report.json's fields in docs/reports.md from the classes, or checks that they are up to date.

`python scripts/report_fields.py --write` rewrites the page between its two markers.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from generated import keep

from contracts import report

if TYPE_CHECKING:
    from contracts.base import Wire

BEGIN, END = "<!-- fields: begin (make docs writes this) -->\n", "<!-- fields: end -->"


def tables() -> str:
    """Make a table for each class, the document first, then in the order in which they are met."""
    found: list[type[Wire]] = [report.Report]
    for cls in found:
        found += [
            part
            for field in cls.model_fields.values()
            for part in _classes(field.annotation)
            if part not in found
        ]
    return "\n".join(_table(cls) for cls in found)


def _table(cls: type[Wire]) -> str:
    title = "The document" if cls is report.Report else f"`{cls.__name__}`"
    intro = (cls.__doc__ or "").strip()
    rows = [
        f"| `{name}` | {_type(field.annotation)} | {(field.description or '').replace('|', chr(92) + '|')} |"
        for name, field in cls.model_fields.items()
    ]
    return "\n".join([f"### {title}\n\n{intro}\n", "| field | type | meaning |", "|---|---|---|", *rows, ""])


def _classes(annotation: Any) -> list[type[Wire]]:
    if getattr(annotation, "__module__", "") == report.__name__:
        return [annotation]
    return [found for part in get_args(annotation) for found in _classes(part)]


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in {Union, UnionType}:
        return " or ".join("null" if part is type(None) else _type(part) for part in parts)
    if origin is list:
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"object of {_type(parts[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any"}
    return names.get(annotation) or f"`{annotation.__name__}`"


if __name__ == "__main__":
    keep("docs/reports.md", BEGIN, END, tables())
