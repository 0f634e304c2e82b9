"""Reads compose.yaml as Compose does: variables put in, order from what services wait for."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.dockerfile import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.dockerfile import Stage

ROOT = Path(__file__).resolve().parents[2]
# $$, ${NAME}, ${NAME:-default} and ${NAME:?error}
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])([^}]*))?\})")


def variables(text: str) -> set[str]:
    """Name the variables that a file refers to."""
    return {found[2] for found in _VARIABLE.finditer(text) if found[2]}


def load(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Read a file with an environment's values in it.

    Raises:
        KeyError: A variable has neither a value nor a default.
    """

    def value(found: re.Match[str]) -> str:
        escaped, name, kind, text = found.groups()
        if escaped:
            return "$"
        if held := environ.get(name):
            return held
        if kind != "-":
            raise KeyError(f"{name}: {text}")
        return str(text)

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: filled(child) for name, child in node.items()}
        if isinstance(node, list):
            return [filled(child) for child in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    read: dict[str, Any] = filled(yaml.safe_load(path.read_text("utf-8")))
    return read


def env_file(path: Path) -> dict[str, str]:
    """Read a file such as .env.example."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def in_order(services: Mapping[str, Any]) -> list[str]:
    """Give the services' names so that each comes after those that it waits for."""
    return list(
        TopologicalSorter(
            {name: set(each.get("depends_on", ())) for name, each in services.items()}
        ).static_order()
    )


def image_of(services: Mapping[str, Any], name: str) -> Stage | None:
    """Give the last stage of the image that a service runs, None for those that others make."""
    image = services[name]["image"]
    for other in services.values():
        if other["image"] == image and "build" in other:
            return parse(ROOT / other["build"]["dockerfile"]).stage(other["build"].get("target"))
    return None


def settings_of(service: Mapping[str, Any], image: Stage) -> dict[str, str]:
    """Give the variables that a service's process gets: the image's, and the file's over them; empty ones are as good as unset."""
    own: dict[str, str] = {}
    for instruction in image.all("ENV"):
        own |= instruction.settings()
    return {
        name: str(value) for name, value in {**own, **service.get("environment", {})}.items() if value != ""
    }


def argv_of(service: Mapping[str, Any], image: Stage) -> list[str]:
    """Give a service's command line."""
    entrypoint = service.get("entrypoint") or image.words("ENTRYPOINT")
    return [*entrypoint, *(service.get("command") or image.words("CMD"))]
