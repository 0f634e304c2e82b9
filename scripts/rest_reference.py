"""Writes docs/reference/rest.md from the OpenAPI document, or checks that it is up to date.

`python scripts/rest_reference.py --write` rewrites the page between its two markers.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from generated import keep

from runtime.openapi import MEANINGS, operations
from services.api.app import create_app
from services.api.settings import ApiSettings

BEGIN, END = "<!-- rest: begin (make docs writes this) -->\n", "<!-- rest: end -->"
JSON = dict[str, Any]
# In the order in which a newcomer meets them
TITLES = {
    "datasets": "Data sets",
    "uploads": "Uploads in chunks",
    "training_jobs": "Training jobs",
    "metrics": "Reports",
    "streams": "Event streams",
    "artifacts": "Artifacts",
    "predictions": "Predictions",
    "models": "Models",
    "machines": "Machines",
    "webhooks": "Webhooks",
    "session": "Sign-in",
    "oidc": "Sign-in at an OpenID provider",
    "keys": "API keys",
    "workspaces": "Workspaces",
    "deliveries": "Dead letters",
    "maintenance": "Maintenance",
    "audit": "Audit log",
    "health": "Health",
}


def document() -> JSON:
    """Give the OpenAPI document of all that answers under /api."""
    with tempfile.TemporaryDirectory() as folder:
        # Nothing is connected to: engines, clients and stores are lazy
        settings = ApiSettings(
            database_url=f"sqlite:///{folder}/none.db",
            redis_url="redis://localhost:1/0",
            objects_url=Path(folder).as_uri(),
            spool_dir=Path(folder),
        )
        answer = create_app(settings).test_client().get("/api/openapi.json")
    found: JSON = answer.get_json()
    return found


def page(found: JSON) -> str:
    """Write the calls by their tags, then the bodies they use."""
    calls: dict[str, list[str]] = {tag: [] for tag in TITLES}
    about = {tag["name"]: tag.get("description", "") for tag in found["tags"]}
    schemas = found["components"]["schemas"]
    for path, item in found["paths"].items():
        for method, call in operations(item):
            calls[call["tags"][0]].append(_call(method, path, item.get("parameters", []), call))
    parts = [f"## {TITLES[tag]}\n\n{about[tag]}.\n\n" + "\n".join(texts) for tag, texts in calls.items()]
    bodies = [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "\n".join(parts) + "\n## Bodies\n\n" + "\n".join(bodies)


def _call(method: str, path: str, shared: list[JSON], call: JSON) -> str:
    lines = [f"### {method.upper()} `{path}`\n", f"{call.get('summary', '')}\n"]
    parameters = [one for one in [*shared, *call.get("parameters", [])] if "name" in one]
    if parameters:
        lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
        for one in parameters:
            needed = ", required" if one.get("required") and one["in"] != "path" else ""
            lines.append(
                f"| `{one['name']}` | {one['in']}{needed} | {_type(one['schema'])} | {_meaning(one)} |"
            )
        lines.append("")
    for kind, content in call.get("requestBody", {}).get("content", {}).items():
        lines.append(f"Body, `{kind}`: {_type(content['schema'])}\n")
    lines += ["| answer | |", "|---|---|"]
    for code, answer in sorted(call["responses"].items()):
        if answer["description"] != MEANINGS.get(code):  # said once, at the head of the page
            lines.append(f"| {code} | {_escape(answer['description'])}{_body(answer)} |")
    return "\n".join([*lines, ""])


def _body(answer: JSON) -> str:
    kinds = [
        _type(content["schema"])
        for kind, content in answer.get("content", {}).items()
        if kind != "application/problem+json"
    ]
    return f": {' or '.join(kinds)}" if kinds else ""


def _schema(name: str, schema: JSON) -> str:
    lines = [f"### {name}\n", "| field | type | meaning |", "|---|---|---|"]
    needed = set(schema.get("required", ()))
    if needed == schema.get("properties", {}).keys():  # answers, which have every field
        needed = set()
    for field, kind in schema.get("properties", {}).items():
        required = ", required" if field in needed else ""
        lines.append(f"| `{field}` | {_type(kind)}{required} | {_meaning(kind)} |")
    return "\n".join([*lines, ""])


def _meaning(described: JSON) -> str:
    default = described.get("schema", described).get("default")
    told = _escape(described.get("description", ""))
    return told if default in (None, "", [], ()) else f"{told}{'; ' if told else ''}default `{default}`"


def _type(schema: JSON) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema and "array" not in _kinds(schema):
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kinds = _kinds(schema)
    if "anyOf" in schema or "allOf" in schema:
        return " or ".join(_type(part) for part in schema.get("anyOf") or schema["allOf"])
    words = {
        "array": lambda: f"list of {_type(schema.get('items', {}))}",
        "object": lambda: _object(schema),
        "string": lambda: {"binary": "file", "date-time": "time"}.get(schema.get("format", ""), "text"),
        "integer": lambda: "whole number",
        "boolean": lambda: "true or false",
    }
    shown = [words[kind]() if kind in words else kind for kind in kinds] or ["any"]
    return " or ".join(shown) + _range(schema)


def _kinds(schema: JSON) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _object(schema: JSON) -> str:
    if inner := schema.get("additionalProperties"):
        return f"object of {_type(inner)}"
    names = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
    return f"object of {names}" if names else "object"


def _range(schema: JSON) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    # As JSON has them: 10000 and not 1e+04, 2 and not 2.0
    told = [str(int(bound) if bound == int(bound) else bound) for bound in (least, most) if bound is not None]
    if most is None or least is None:
        return f" from {told[0]}" if most is None else f" up to {told[0]}"
    return f" from {told[0]} to {told[1]}"


def _escape(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("|", "\\|").replace("<", "&lt;")).strip()


if __name__ == "__main__":
    keep("docs/reference/rest.md", BEGIN, END, page(document()))
