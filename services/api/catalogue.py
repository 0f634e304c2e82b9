"""The models that can be trained, as the trainer's catalogue command wrote them down."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from runtime.errors import Invalid
from runtime.settings import InvalidSettings

if TYPE_CHECKING:
    from pathlib import Path


class Catalogue:
    """Models by name, with the JSON Schema of each one's parameters."""

    def __init__(self, models: list[dict[str, Any]]) -> None:
        self.models = models
        self._by_name = {model["name"]: model for model in models}

    @classmethod
    def read(cls, path: Path | None) -> Catalogue:
        """Read a catalogue; None is the one that contracts ships.

        Raises:
            InvalidSettings: It is none.
        """
        file = path or resources.files("contracts") / "models.json"
        try:
            return cls(json.loads(file.read_text("utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidSettings(
                f"MODELS_FILE is no list of models: {file}: {type(error).__name__}: {error}; write it with "
                "`python -m trainer.models.catalogue --out FILE`"
            ) from error

    def check(self, name: str, params: dict[str, Any]) -> None:
        """Check a model's name and parameters.

        Raises:
            Invalid: Naming the model or each parameter, and what is allowed.
        """
        model = self._by_name.get(name)
        if model is None:
            allowed = ", ".join(sorted(self._by_name))
            raise Invalid(f"model: there is no model {name!r}; there are {allowed}.", {"model": ["unknown"]})
        schema = model["params_schema"]
        errors: dict[str, list[str]] = {}
        for error in Draft202012Validator(schema).iter_errors(params):
            where = ".".join(["params", *map(str, error.absolute_path)])
            text = error.message
            if error.validator == "additionalProperties":
                text += f"; allowed are {', '.join(sorted(schema.get('properties', {})))}"
            errors.setdefault(where, []).append(text)
        if errors:
            raise Invalid("; ".join(f"{name}: {texts[0]}" for name, texts in errors.items()), errors)
