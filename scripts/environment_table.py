"""Writes the tables of environment variables from the settings classes, or checks that they are up to date.

`python scripts/environment_table.py --write` rewrites the README and docs/reference/configuration.md between their two markers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generated import keep
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from contracts.job import JobSpec
from runtime.settings import MigrationSettings, RelaySettings, Settings
from runtime.web_settings import WebSettings
from services.api.oidc_settings import OidcSettings
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
    ("migrations", MigrationSettings),
    ("api and metrics", WebSettings),
    ("relay", RelaySettings),
    ("api and its worker", ApiSettings),
    ("api: sign-in by OpenID Connect", OidcSettings),
    ("ingest", IngestSettings),
    ("launcher", LauncherSettings),
    ("metrics", MetricsSettings),
    ("predictor", PredictorSettings),
    ("ui", UiSettings),
    ("trainer: the job", JobSpec),
    ("trainer: the process", TrainerSettings),
]


def folded() -> str:
    """Make the tables for the README, one for each part, to be unfolded."""
    return "\n".join(
        f"<details>\n<summary>{title}</summary>\n\n{_table(cls)}\n</details>\n" for title, cls in GROUPS
    )


def sections() -> str:
    """Make the tables for the page, each under a heading."""
    return "\n".join(f"## {title[0].upper()}{title[1:]}\n\n{_table(cls)}" for title, cls in GROUPS)


def _table(cls: type[BaseModel]) -> str:
    shared = {
        name
        for base in (Settings, WebSettings, OidcSettings)
        if cls is not base and issubclass(cls, base)
        for name in base.model_fields
    }
    fields = {name: field for name, field in cls.model_fields.items() if name not in shared}
    rows = [
        f"| `{name.upper()}` | {_default(field)} | {_escape(field.description or '')} |\n"
        for name, field in fields.items()
    ]
    return "| variable | default | meaning |\n|---|---|---|\n" + "".join(rows)


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
    keep("README.md", BEGIN, END, folded())
    keep("docs/reference/configuration.md", BEGIN, END, sections())
