"""`python -m runtime.migrate`: brings the database to this release, once per deployment, before any service starts."""

from __future__ import annotations

from runtime import log
from runtime.access import keys
from runtime.db import Database
from runtime.settings import MigrationSettings, load


def main() -> None:
    """Run every owner's migrations, and make the first key."""
    settings = load(MigrationSettings)
    log.configure("migrate", settings.log_level, settings.log_format)
    db = Database(settings.database_url)
    db.migrate()
    if settings.first_key is not None:
        with db.write() as session:
            keys.keep_first(session, settings.first_key.get_secret_value())


if __name__ == "__main__":
    main()
