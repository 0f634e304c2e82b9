"""The models that can be trained, as the trainer's catalogue command wrote them down."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from runtime.errors import Invalid


class Catalogue:
    """Models by name, with the JSON Schema of each one's parameters."""

    def __init__(self, models: list[dict[str, Any]]) -> None:
        self.models = models
        self._by_name = {model["name"]: model for model in models}

    @classmethod
    def shipped(cls) -> Catalogue:
        """Read the catalogue that contracts ships."""
        return cls(json.loads((resources.files("contracts") / "models.json").read_text("utf-8")))

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
