"""Makes what flask-smorest describes into a whole OpenAPI document: problem documents, contracts' models, ids, and a page to read it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flask import Flask
    from pydantic import BaseModel

JSON = dict[str, Any]
MODEL = "x-model"  # as metadata of a field: it is one of the contracts' models
_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
_ERROR = 400
_PROBLEM: JSON = {
    "type": "object",
    "description": "A problem document (RFC 9457)",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what was wrong, and what is allowed"},
        "errors": {"type": "object", "description": "what is wrong, by field"},
    },
}
MEANINGS = {
    "400": "The body is not JSON, or a parameter holds what no text here may",
    "401": "There is no key or sign-in that counts",
    "403": "The key has not the scope that this needs, or another site's page asks",
    "404": "There is none by that id",
    "413": "The body is too large",
    "415": "The body is not of the kind asked for",
    "422": "A parameter, or a field of the body, is not one; `errors` says which",
    "429": "Too many requests, or a limit on number is reached; see Retry-After",
    "default": "Any other error",
}


def finish(
    document: JSON,
    models: tuple[type[BaseModel], ...] = (),
    ids: Mapping[str, JSON] | None = None,
    *,
    mode: Literal["validation", "serialization"] = "validation",
) -> JSON:
    """Complete a document.

    Args:
        document: As flask-smorest made it; changed.
        models: Those of the contracts that fields name by MODEL.
        ids: Schema of each parameter of paths, by its name.
        mode: Whether the models are sent to us, and a field with a default may be left out, or are answered, with every field.

    Returns:
        The document.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in models:
        schemas |= _components(model, schemas, mode)
    schemas.setdefault("Problem", _PROBLEM)
    for unused in ("Error", "PaginationMetadata"):
        schemas.pop(unused, None)
    document["components"].pop("responses", None)
    _link_models(document)
    for path, item in document["paths"].items():
        for parameter in item.get("parameters", ()):
            parameter["schema"] = {**parameter["schema"], **(ids or {}).get(parameter["name"], {})}
        for method, call in operations(item):
            call.setdefault("operationId", _operation_id(method, path))
            call["responses"] = _responses(call, has_id="{" in path)
    return document


def operations(item: JSON) -> Iterator[tuple[str, JSON]]:
    """Give the calls of a path by their methods."""
    return ((method, call) for method, call in item.items() if method in _METHODS)


def merge(document: JSON, other: JSON) -> JSON:
    """Add another service's calls to a document; where both have a schema of a name, the first one's counts."""
    document["paths"] |= other["paths"]
    document["tags"] = [*document.get("tags", ()), *other.get("tags", ())]
    document["components"]["schemas"] = {
        **other["components"]["schemas"],
        **document["components"]["schemas"],
    }
    return document


def publish(app: Flask, path: str, document: Callable[[], JSON]) -> None:
    """Serve a document; it is made at the first request.

    Args:
        app: The app, all of whose blueprints are registered.
        path: Where.
        document: Makes it.
    """
    made: list[str] = []

    @app.get(path)
    def openapi_document() -> Response:
        if not made:
            made.append(json.dumps(document(), indent=1))
        return Response(made[0], mimetype="application/json")


def _components(model: type[BaseModel], taken: JSON, mode: Literal["validation", "serialization"]) -> JSON:
    """Give a model's schema and those it stands on; one whose name is taken gets the model's before its own."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    parts = {**schema.pop("$defs", {}), model.__name__: schema}
    clashing = {name for name in parts if name in taken and taken[name] != parts[name]}
    text = json.dumps(parts)
    for name in clashing:
        text = text.replace(
            f'"#/components/schemas/{name}"', f'"#/components/schemas/{model.__name__}{name}"'
        )
    return {
        f"{model.__name__}{name}" if name in clashing else name: part
        for name, part in json.loads(text).items()
    }


def _link_models(part: Any) -> None:
    if isinstance(part, dict):
        if name := part.pop(MODEL, None):
            about = {key: part[key] for key in ("description", "title") if key in part}
            part.clear()
            part |= {"$ref": f"#/components/schemas/{name}", **about}
        for inner in part.values():
            _link_models(inner)
    elif isinstance(part, list):
        for inner in part:
            _link_models(inner)


def _operation_id(method: str, path: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", path.removeprefix("/api")) if word]
    return "_".join([method, *words])


def _responses(call: JSON, *, has_id: bool) -> JSON:
    codes = {"401", "403", "429", "default"}
    if has_id:
        codes.add("404")
    if any("name" in parameter for parameter in call.get("parameters", ())):
        codes |= {"400", "422"}
    if "requestBody" in call:
        codes |= {"400", "413", "415", "422"}
    responses = {code: call["responses"].get(code, {}) for code in codes | call["responses"].keys()}
    return {
        code: _problem(code, answer) if code == "default" or int(code) >= _ERROR else answer
        for code, answer in sorted(responses.items())
    }


def _problem(code: str, answer: JSON) -> JSON:
    """Say of an error that it is a problem document."""
    described = answer.get("description", "")
    return {
        **{key: value for key, value in answer.items() if key == "headers"},
        "description": described
        if described and "$ref" not in answer
        else MEANINGS.get(code, described or "Refused"),
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
