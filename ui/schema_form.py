"""Forms made from JSON Schema: one control for each property, with its default, range and help.

Understands what pydantic writes for flat models: number, integer, boolean, string, enum, $ref to an enum, and any of
these or null. A property of another shape is edited as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import dash_mantine_components as dmc

from ui import wording

if TYPE_CHECKING:
    from ui.parts import JSON, Node

Kind = Literal[
    "integer", "number", "boolean", "flag", "choice", "text", "json"
]  # a flag is a boolean that may be unset
UNSET = "automatic"
FLAG = {"true": True, "false": False}


class NotAllowed(ValueError):
    """What was typed does not fit; the text says what does."""


@dataclass(frozen=True)
class Field:
    """One setting."""

    name: str
    title: str
    help: str
    kind: Kind
    default: Any
    optional: bool = False
    low: float | None = None
    above: float | None = None
    high: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    automatic: str = UNSET  # what is shown where nothing is chosen
    renamed: bool = False  # whether its title is other words than the name that the API and the trainer know

    @property
    def range(self) -> str:
        """Say in words which numbers are allowed, or nothing where all are."""
        written = wording.whole if self.kind == "integer" else wording.number
        if self.low is not None and self.high is not None:
            return f"{written(self.low)} to {written(self.high)}"
        parts = []
        if self.low is not None:
            parts.append(f"at least {written(self.low)}")
        if self.above is not None:
            parts.append(f"above {written(self.above)}")
        if self.high is not None:
            parts.append(f"at most {written(self.high)}")
        if self.below is not None:
            parts.append(f"below {written(self.below)}")
        return ", ".join(parts)


def fields_of(schema: JSON, names: tuple[str, ...] | None = None) -> list[Field]:
    """Read the properties of a JSON Schema.

    Args:
        schema: Of type "object".
        names: Which properties, in this order; by default all of them.
    """
    properties = schema.get("properties", {})
    return [_field(name, properties[name], schema) for name in names or tuple(properties)]


def _field(name: str, raw: JSON, schema: JSON) -> Field:
    options = [_resolve(option, schema) for option in raw.get("anyOf", [])]
    given = [option for option in options if option.get("type") != "null"]
    optional = len(given) < len(options)
    shape = {**_resolve(raw, schema), **(given[0] if len(given) == 1 else {})}
    kind: Kind = "json"
    choices = tuple(str(choice) for choice in shape.get("enum", ()))
    if choices:
        kind = "choice"
    elif shape.get("type") in {"integer", "number", "boolean"}:
        kind = "flag" if optional and shape["type"] == "boolean" else shape["type"]
    elif shape.get("type") == "string":
        kind = "text"
    words = title(name, raw.get("title", ""))
    return Field(
        name=name,
        title=words,
        help=raw.get("description") or shape.get("description", ""),
        kind=kind,
        default=raw.get("default"),
        optional=optional,
        low=shape.get("minimum"),
        above=shape.get("exclusiveMinimum"),
        high=shape.get("maximum"),
        below=shape.get("exclusiveMaximum"),
        choices=choices,
        automatic=raw.get("unset") or automatic(name, schema),
        renamed=name.replace("_", " ").casefold() not in words.casefold(),
    )


def automatic(name: str, schema: JSON) -> str:
    """Say what a setting is where it is left unset, as far as the schema's "presets" know: automatic: 16 (fast 8).

    Args:
        name: Of the setting.
        schema: Of a model's parameters; presets are values by name of the preset.
    """
    values = {preset: given.get(name) for preset, given in schema.get("presets", {}).items()}
    if not values or None in values.values():
        return UNSET
    usual = schema.get("properties", {}).get("preset", {}).get("default", next(iter(values)))
    told = {preset: _told(value) for preset, value in values.items()}
    others = ", ".join(f"{preset} {value}" for preset, value in told.items() if value != told[usual])
    return f"{UNSET}: {told[usual]} ({others})" if others else f"{UNSET}: {told[usual]}"


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return wording.number(value) if isinstance(value, int | float) else str(value)


def _resolve(raw: JSON, schema: JSON) -> JSON:
    reference = raw.get("$ref", "")
    if not reference.startswith("#/$defs/"):
        return raw
    return {**schema["$defs"][reference.removeprefix("#/$defs/")], **raw}


def title(name: str, given: str = "") -> str:
    """Give the words for a setting: those that someone wrote, or else its name's."""
    words = name.replace("_", " ")
    # pydantic makes "Learning Rate" of learning_rate; a title that someone wrote is kept as it is
    text = words if given.casefold() in {"", words.casefold()} else given
    return wording.capitalized(text)


def control(field: Field, group: str, value: Any = None, *, kept: str) -> Node:
    """Make a field's control; its id is {"form": group, "field": name}, so that callbacks find all of a group.

    Args:
        field: What is set.
        group: Which form it belongs to.
        value: What it begins with; by default the field's default.
        kept: Under which name the browser keeps what is typed, until its tab is closed.
    """
    identity = {"form": group, "field": field.name}
    called = f"elsewhere called {field.name}" if field.renamed else ""
    described = "; ".join(part for part in (field.help, field.range, called) if part)
    shown = field.default if value is None else value
    common: dict[str, Any] = {
        "id": identity,
        "label": field.title,
        "description": wording.capitalized(described),
        **keeping(kept),
    }
    if field.kind == "boolean":
        return dmc.Switch(**common, checked=bool(shown))
    if field.kind in {"choice", "flag"}:
        flags = [{"value": value, "label": "yes" if flag else "no"} for value, flag in FLAG.items()]
        return dmc.Select(
            **common,
            data=flags if field.kind == "flag" else list(field.choices),
            value=None if shown is None else str(shown).lower() if field.kind == "flag" else str(shown),
            allowDeselect=field.optional,
            clearable=field.optional,
            placeholder=field.automatic if field.optional else "",
            inputWrapperOrder=["label", "input", "description", "error"],
        )
    # text, not a number control: that one swallows "1e-4", and changes what it takes for a slip
    return dmc.TextInput(
        **common,
        value=_text(field, shown),
        inputWrapperOrder=["label", "input", "description", "error"],
        placeholder=field.automatic if field.optional else "",
        inputProps={"inputMode": "decimal"} if field.kind in {"integer", "number"} else {},
    )


def keeping(name: str) -> JSON:
    """Give the properties that let the browser keep what is chosen, over a reload and a visit to other pages, until its tab is closed."""
    return {"persistence": name, "persistence_type": "session"}


def _text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if field.kind == "json" else str(value)


def parse(field: Field, raw: Any) -> Any:
    """Turn what a control holds into the setting's value.

    Raises:
        NotAllowed: It does not fit the field.
    """
    if field.kind == "boolean":
        return bool(raw)
    text = str(raw).strip() if raw is not None else ""
    if not text:
        if field.optional or field.kind == "text":
            return None if field.optional else ""
        raise NotAllowed("This is needed.")
    if field.kind == "flag":
        return FLAG[text]
    if field.kind in {"integer", "number"}:
        return _number(field, text)
    if field.kind == "json":
        try:
            return json.loads(text)
        except ValueError:
            raise NotAllowed('This must be JSON, for example ["a", "b"].') from None
    return text


def _number(field: Field, text: str) -> float:
    if not text.isascii() or "_" in text:
        text = "no number"  # Python would take 1_000 and other scripts' digits
    try:
        value = int(text) if field.kind == "integer" else float(text)
    except ValueError:
        kind = "a whole number" if field.kind == "integer" else "a number, like 0.001 or 1e-3"
        raise NotAllowed(f"This must be {kind}.") from None
    fits = (
        value == value  # noqa: PLR0124 - not a NaN
        and (field.low is None or value >= field.low)
        and (field.above is None or value > field.above)
        and (field.high is None or value <= field.high)
        and (field.below is None or value < field.below)
    )
    if not fits:
        raise NotAllowed(f"This must be {field.range or 'a finite number'}.")
    return value
