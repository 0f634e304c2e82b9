"""Reads Dockerfiles as far as this repository's use the language: stages, ARG, ENV, COPY, RUN, the exec forms."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# $NAME, ${NAME} and ${NAME:+text}
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::\+([^}]*))?\})")
_SETTING = re.compile(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S*)')


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, what follows, and the --flags in between."""

    name: str
    value: str
    flags: tuple[tuple[str, str], ...] = ()

    def flag(self, name: str) -> str | None:
        """Give a flag's value, None where it is not there."""
        return dict(self.flags).get(name)

    def settings(self) -> dict[str, str]:
        """Give the NAME=value pairs of ENV and LABEL."""
        return {name: value.strip('"') for name, value in _SETTING.findall(self.value)}


@dataclass(frozen=True)
class Stage:
    """What stands from one FROM to the next."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Give the instructions of one name."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    def last(self, name: str) -> Instruction:
        """Give the one that counts where several would override each other."""
        return self.all(name)[-1]

    def value(self, name: str, default: str) -> str:
        """Give what follows the last of a name."""
        return self.last(name).value if self.all(name) else default

    def words(self, name: str) -> list[str]:
        """Give the words of the last exec form of a name; none where it is not there, or NONE."""
        value = self.value(name, "NONE").removeprefix("CMD ")
        return [] if value == "NONE" else [str(word) for word in json.loads(value)]


@dataclass(frozen=True)
class Dockerfile:
    """A whole file."""

    path: Path
    arguments: dict[str, str]  # those before the first FROM
    stages: list[Stage]

    def stage(self, name: str | None) -> Stage:
        """Give a stage by its name; None: the last."""
        return self.stages[-1] if name is None else next(each for each in self.stages if each.name == name)


def parse(path: Path) -> Dockerfile:
    """Read a Dockerfile."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in _logical_lines(path.read_text("utf-8")):
        name, _, value = line.partition(" ")
        name, value = name.upper(), value.strip()
        flags = []
        while found := re.match(r"--([a-z-]+)=(\S+)\s+", value):
            flags.append((found[1], found[2]))
            value = value[found.end() :]
        if name == "FROM":
            base, _, alias = value.partition(" AS ")
            stages.append(Stage(expand(base, arguments), alias or f"stage-{len(stages)}"))
        elif not stages:
            assert name == "ARG", f"{path}: {name} before FROM"
            arguments |= argument(value)
        else:
            stages[-1].instructions.append(Instruction(name, value, tuple(flags)))
    return Dockerfile(path, arguments, stages)


def argument(value: str) -> dict[str, str]:
    """Read what follows ARG."""
    name, _, default = value.partition("=")
    return {name: default}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in, as the builder does everywhere but in RUN, where the shell does."""

    def value(found: re.Match[str]) -> str:
        held = variables.get(found[1] or found[2], "")
        if found[3] is None:
            return held
        return expand(found[3], variables) if held else ""

    return _VARIABLE.sub(value, text)


def _logical_lines(text: str) -> list[str]:
    lines, held = [], ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        held += line
        if held.endswith("\\"):
            held = held[:-1]
        else:
            lines.append(held)
            held = ""
    return lines
