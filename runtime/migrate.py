"""`python -m runtime.migrate`: brings the database to this release, once per deployment, before any service starts."""

from __future__ import annotations

from runtime import log
from runtime.db import Database
from runtime.settings import Settings, load


def main() -> None:
    """Run every owner's migrations."""
    settings = load(Settings)
    log.configure("migrate", settings.log_level, settings.log_format)
    Database(settings.database_url).migrate()


if __name__ == "__main__":
    main()
