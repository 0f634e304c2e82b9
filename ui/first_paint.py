"""Writes a page as plain HTML into the answer to its address, so that it is on the screen before Dash has started.

Nothing in it can be used: it is a picture, with the places of the controls, that first_paint.js exchanges for the page itself. Every
style it needs is ours, because Mantine brings its own by script.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from dash.development.base_component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.parts import Node

Props = dict[str, Any]
_CAPITAL = re.compile("[A-Z]")
_NAMES = {"className": "class", "htmlFor": "for"}
_VOID = {"br", "hr", "img", "input", "wbr"}
_LEFT_OUT = {"children", "key", "n_clicks", "n_blur", "n_submit", "n_clicks_timestamp", "autoFocus"}
_UNSEEN = {
    "Store", "Interval", "Location", "Modal", "NotificationContainer", "Input", "RadioIndicator",
}  # fmt: skip


def written(node: Node) -> str:
    """Write what Dash takes as children."""
    if node is None or isinstance(node, bool):
        return ""
    if isinstance(node, list | tuple):
        return "".join(written(each) for each in node)
    if not isinstance(node, Component):
        return escape(str(node))
    given = node.to_plotly_json()  # type: ignore[no-untyped-call]
    kind, props = given["type"], given["props"]
    if given["namespace"] == "dash_html_components":
        return _CONTROLS[kind](props) if kind in _CONTROLS else _element(kind.lower(), props)
    if kind in _UNSEEN:
        return ""
    return _WRITERS.get(kind, _children)(props)


def _children(props: Props) -> str:
    return written(props.get("children"))


def _element(tag: str, props: Props) -> str:
    attributes = "".join(_attribute(name, value) for name, value in props.items() if name not in _LEFT_OUT)
    return f"<{tag}{attributes}>" if tag in _VOID else f"<{tag}{attributes}>{_children(props)}</{tag}>"


def _attribute(name: str, value: Any) -> str:
    if name == "style" and value:
        value = ";".join(f"{_CAPITAL.sub(_kebab, key)}:{each}" for key, each in value.items())
    if value is None or value is False or isinstance(value, list | dict):
        return ""
    name = _NAMES.get(name, name.lower())
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _kebab(capital: re.Match[str]) -> str:
    return f"-{capital[0].lower()}"


def _as(tag: str, look: str = "") -> Callable[[Props], str]:
    """Make a writer of an element that keeps the class, the style and the children alone."""

    def write(props: Props) -> str:
        kept = {name: props.get(name) for name in ("children", "className", "style", "hidden")}
        kept["className"] = f"{props.get('className') or ''} {look}".strip() or None
        return _element(tag, kept)

    return write


def _title(props: Props) -> str:
    return _as(f"h{props.get('order', 1)}")(props)


def _button(props: Props) -> str:
    primary = props.get("variant", "filled") == "filled" and not props.get("color")
    return _as("span", f"link-button size-{props.get('size', 'sm')}{' primary' if primary else ''}")(props)


def _field(props: Props) -> str:
    """Draw a field as its words and a frame with what it holds: what would be typed here would be lost."""
    parts = {
        "label": f'<span class="early-label">{written(props.get("label"))}</span>',
        "description": f'<span class="early-about">{written(props.get("description"))}</span>',
        "input": f'<span class="early-frame">{_held(props)}</span>',
    }
    order = props.get("inputWrapperOrder", ("label", "description", "input"))
    inside = "".join(parts[part] for part in order if part == "input" or props.get(part))
    return f'<div class="early-field {escape(props.get("className") or "")}">{inside}</div>'


def _held(props: Props) -> str:
    value = props.get("value")
    listed = [
        each for each in props.get("data") or () if isinstance(each, dict) and each.get("value") == value
    ]
    return (
        escape(str(listed[0]["label"] if listed else value)) if isinstance(value, str | int | float) else ""
    )


def _check(props: Props) -> str:
    return f'<div class="{escape(props.get("className") or "")}"><span class="early-check"></span> {written(props.get("label"))}</div>'


def _step(props: Props) -> str:
    return f'<div class="early-step"><div class="early-label">{written(props.get("title"))}</div>{_children(props)}</div>'


# HTML's own: what is typed into one, or told to it by its label, would be lost with it
_CONTROLS: dict[str, Callable[[Props], str]] = {
    "Button": _as("span"),
    "Input": _as("span"),
    "Textarea": _as("span"),
    "Select": lambda props: _as("span")(props | {"children": (props.get("children") or [None])[0]}),
    "Option": _children,
}
_WRITERS: dict[str, Callable[[Props], str]] = {
    "Anchor": _as("a"),
    "Link": _as("a"),
    "Title": _title,
    "Button": _button,
    "Badge": lambda props: _as("span", f"early-badge size-{props.get('size', 'md')}")(props),
    "ColorSchemeToggle": lambda props: f'<span class="early-toggle">{written(props["lightIcon"])}</span>',
    "Upload": _as("div"),
    "Timeline": _as("div", "early-steps"),
    "TimelineItem": _step,
    "Checkbox": _check,
    "Switch": _check,
    "RadioCard": _as("div"),
    "Progress": lambda _props: '<div class="early-bar"></div>',
    "Pagination": lambda _props: "",
    **dict.fromkeys(
        ("TextInput", "NumberInput", "Textarea", "Select", "MultiSelect", "Autocomplete"), _field
    ),
}
