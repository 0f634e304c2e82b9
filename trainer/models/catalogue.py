"""The models there are, by folder; importing this, or reading their parameters, imports no torch.

``python -m trainer.models.catalogue [--out FILE]`` writes the list with JSON Schemas; the platform reads that file.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.job import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.results import Artifacts, TrainingReport, TrainParams

FOLDER = Path(__file__).parent


class ModelParams(BaseModel):
    """The base of a model's ``Params``: the form in the UI and the check of MODEL_PARAMS are made from its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    TITLE: ClassVar[str]
    DESCRIPTION: ClassVar[str]
    MODALITIES: ClassVar[tuple[str, ...]]


@dataclass(frozen=True)
class Model:
    """One folder under trainer/models."""

    name: str
    params_class: type[ModelParams]

    def params(self, values: Mapping[str, Any]) -> ModelParams:
        """Check the values of MODEL_PARAMS.

        Raises:
            InvalidSpec: With every problem, each naming its parameter.
        """
        try:
            return self.params_class.model_validate(dict(values))
        except ValidationError as error:
            raise InvalidSpec([self._explain(entry) for entry in error.errors()]) from None

    def load_train(self) -> Callable[[TrainParams[Any]], tuple[TrainingReport, Artifacts]]:
        """Import the model's code, and with it what is heavy, and give its ``train``."""
        module = importlib.import_module(f"trainer.models.{self.name}.train")
        train: Callable[[TrainParams[Any]], tuple[TrainingReport, Artifacts]] = module.train
        return train

    def describe(self) -> dict[str, Any]:
        """Give what the platform shows of it."""
        return {
            "name": self.name,
            "title": self.params_class.TITLE,
            "description": self.params_class.DESCRIPTION,
            "modalities": list(self.params_class.MODALITIES),
            "params_schema": self.params_class.model_json_schema(),
        }

    def _explain(self, error: Mapping[str, Any]) -> str:
        name = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            known = ", ".join(self.params_class.model_fields) or "none"
            return f"MODEL_PARAMS: model {self.name} has no parameter {name!r}; it has {known}"
        return f"MODEL_PARAMS: {name}: {error['msg']}, got {error['input']!r}"


def names() -> list[str]:
    """List the models by name."""
    return sorted(path.parent.name for path in FOLDER.glob("*/params.py"))


def find(name: str) -> Model:
    """Give a model by name.

    Raises:
        InvalidSpec: There is none of that name, or its parameters cannot be imported.
    """
    there = ", ".join(names())
    if name not in names():
        raise InvalidSpec([f"MODEL: there is no model {name!r}; there are {there}"])
    try:
        return Model(name, importlib.import_module(f"trainer.models.{name}.params").Params)
    except Exception as error:
        broken = f"MODEL: {name!r} is broken: {type(error).__name__}: {error}; there are {there}"
        raise InvalidSpec([broken]) from error


def to_json() -> str:
    """Give the whole catalogue as indented JSON."""
    return json.dumps([find(name).describe() for name in names()], indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Print the catalogue, or write it."""
    parser = argparse.ArgumentParser(prog="python -m trainer.models.catalogue", description=to_json.__doc__)
    parser.add_argument("--out", type=Path, help="write here instead of printing, e.g. contracts/models.json")
    out: Path | None = parser.parse_args().out
    if out:
        out.write_text(to_json(), encoding="utf-8")
    else:
        sys.stdout.write(to_json())


if __name__ == "__main__":
    main()
