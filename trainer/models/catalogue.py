"""The models there are, by folder; importing this, or reading their parameters, imports no torch.

``python -m trainer.models.catalogue [--out FILE]`` writes the list with JSON Schemas; the platform reads that file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from contracts.job import InvalidSpec
from trainer.errors import ModelError
from trainer.models.model import OWN_FOLDER, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # as MODEL is spelt


class ModelParams(BaseModel):
    """The base of a model's ``Params``: the form in the UI and the check of MODEL_PARAMS are made from its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    TITLE: ClassVar[str]
    DESCRIPTION: ClassVar[str]
    MODALITIES: ClassVar[tuple[str, ...]]
    SHARED: ClassVar[bool] = (
        False  # whether torchrun's processes train it together; else the first does, alone
    )


def names(more: Sequence[Path] = ()) -> list[str]:
    """List the models by name: the folders here and in further folders that hold a train.py or params.py."""
    return sorted(_places(more))


def find(name: str, more: Sequence[Path] = ()) -> Model:
    """Give a model by name.

    Args:
        name: A name of the catalogue; never taken for a path.
        more: Folders of models besides the trainer's own.

    Raises:
        InvalidSpec: There is none of that name, or there are several.
        ModelError: Its parameters cannot be read.
    """
    places = _places(more)
    if name not in places:
        absent = [f"; MODELS_PATH: {folder} is no folder" for folder in more if not folder.is_dir()]
        there = ", ".join(sorted(places))
        raise InvalidSpec([f"MODEL: there is no model {name!r}; there are {there}{''.join(absent)}"])
    if len(places[name]) > 1:
        both = " and ".join(map(str, places[name]))
        raise InvalidSpec([f"MODEL: {name!r} names more than one model: {both}; rename all but one"])
    return Model(places[name][0])


def describe(more: Sequence[Path] = ()) -> tuple[list[dict[str, Any]], list[str]]:
    """Describe every model.

    Returns:
        What the platform shows of each, and why others are left out, a line each.
    """
    models, problems = [], [f"{folder} is no folder" for folder in more if not folder.is_dir()]
    for name in names(more):
        if not NAME.fullmatch(name):
            problems.append(f"{name!r} is no name for a model: small letters, digits and _ after a letter")
            continue
        try:
            models.append(find(name, more).describe())
        except (InvalidSpec, ModelError) as error:
            problems.append(str(error))
    return models, problems


def to_json(models: list[dict[str, Any]]) -> str:
    """Give descriptions as indented JSON."""
    return json.dumps(models, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Print the catalogue or write it; what is left out is told on standard error, and makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m trainer.models.catalogue", description=main.__doc__)
    parser.add_argument("--out", type=Path, help="write here instead of printing, e.g. contracts/models.json")
    out: Path | None = parser.parse_args().out
    models, problems = describe(folders(os.environ.get("MODELS_PATH", "")))
    if out:
        out.write_text(to_json(models), encoding="utf-8")
    else:
        sys.stdout.write(to_json(models))
    for problem in problems:
        sys.stderr.write(f"left out: {problem}\n")
    return 1 if problems else 0


def folders(path: str) -> list[Path]:
    """Split MODELS_PATH, whose folders are separated as those of PATH are."""
    return [Path(part).expanduser().absolute() for part in path.split(os.pathsep) if part.strip()]


def _places(more: Sequence[Path]) -> dict[str, list[Path]]:
    places: dict[str, list[Path]] = {}
    for folder in dict.fromkeys([OWN_FOLDER, *more]):
        found = {file.parent for part in ("params", "train") for file in folder.glob(f"*/{part}.py")}
        for place in sorted(found):
            places.setdefault(place.name, []).append(place)
    return places


if __name__ == "__main__":
    sys.exit(main())
