"""Writes the README's table of environment variables from the settings classes, or checks that it is up to date.

`python scripts/environment_table.py --write` rewrites the README between its two markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generated import keep
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from contracts.job import JobSpec
from runtime.settings import RelaySettings, Settings
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from trainer.settings import Settings as TrainerSettings
from ui.settings import UiSettings

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

BEGIN, END = "<!-- environment: begin (make docs writes this) -->\n", "<!-- environment: end -->"
GROUPS: list[tuple[str, type[BaseModel]]] = [
    ("every service", Settings),
    ("relay", RelaySettings),
    ("api and its worker", ApiSettings),
    ("ingest", IngestSettings),
    ("launcher", LauncherSettings),
    ("metrics", MetricsSettings),
    ("predictor", PredictorSettings),
    ("ui", UiSettings),
    ("trainer: the job", JobSpec),
    ("trainer: the process", TrainerSettings),
]


def table() -> str:
    """Make the tables, one for each part."""
    parts = []
    for title, cls in GROUPS:
        fields = {
            name: field
            for name, field in cls.model_fields.items()
            if cls is Settings or not (issubclass(cls, Settings) and name in Settings.model_fields)
        }
        rows = [
            f"| `{name.upper()}` | {_default(field)} | {_escape(field.description or '')} |"
            for name, field in fields.items()
        ]
        head = f"<details>\n<summary>{title}</summary>\n\n| variable | default | meaning |\n|---|---|---|\n"
        parts.append(head + "\n".join(rows) + "\n\n</details>\n")
    return "\n".join(parts)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ("", [], {}, ()):
        return ""
    return f"`{'…' if isinstance(value, SecretStr) else value}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    keep("README.md", BEGIN, END, table())
