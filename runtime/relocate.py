"""`python -m runtime.relocate OLD`: once objects lie under another OBJECTS_URL, lets every row say so.

Rows hold full addresses of objects: a data set's table, a job's artifacts, the environment of a trainer that waits. Whoever
restores a dump beside a copy of the bucket under another name, or moves a folder of objects to S3, runs it once, with
every service stopped.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sqlalchemy import JSON, MetaData, String, Text, cast, func, update

from runtime import log
from runtime.db import Database
from runtime.settings import Settings, load

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


def relocate(db: Database, old: str, new: str) -> dict[str, int]:
    """Change the addresses in all tables, in one transaction; it reads every row.

    Args:
        db: A migrated database.
        old: Where the objects were, as OBJECTS_URL had it.
        new: Where they are.

    Returns:
        How many values changed in each table, for those with any.

    Raises:
        ValueError: One of the two cannot be told from other text.
    """
    # With a slash at the end s3://data is not found in s3://data-old/x
    old, new = (f"{url.rstrip('/')}/" for url in (old, new))
    for url in (old, new):
        if not url.startswith(("s3://", "file:///")) or not url.isascii() or {'"', "\\"} & set(url):
            raise ValueError(f"{url!r}: s3://bucket/prefix or file:///folder is allowed, in plain ASCII")
    tables = MetaData()
    tables.reflect(db.engine)
    changed = {}
    with db.write() as session:
        for table in tables.sorted_tables:
            values = 0
            for column in table.columns:
                if not isinstance(column.type, (String, JSON)):
                    continue
                text = cast(column, Text)
                moved: ColumnElement[str] = func.replace(text, old, new)
                # SQLite keeps JSON as text, and would make a number of it
                value = moved if db.engine.dialect.name == "sqlite" else cast(moved, column.type)
                stale = [text.contains(old, autoescape=True)]
                if new.startswith(old):  # a second run would find it again
                    stale.append(~text.contains(new, autoescape=True))
                change = update(table).where(*stale).values({column: value})
                values += len(session.execute(change.returning(*table.primary_key.columns)).all())
            if values:
                changed[table.name] = values
    return changed


def main() -> None:
    """Change the addresses in DATABASE_URL to those of OBJECTS_URL."""
    parser = argparse.ArgumentParser(prog="python -m runtime.relocate", description=__doc__)
    parser.add_argument("old", metavar="OLD", help="OBJECTS_URL as it was, e.g. s3://lost-bucket/files")
    old: str = parser.parse_args().old
    settings = load(Settings)
    log.configure("relocate", settings.log_level, settings.log_format)
    try:
        changed = relocate(Database(settings.database_url), old, settings.objects_url)
    except ValueError as error:
        parser.error(str(error))
    lines = [f"{name}: {values} changed" for name, values in changed.items()] or [f"Nothing mentions {old}."]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
