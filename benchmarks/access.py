"""The key of the benchmarks that ask services without the gateway, which would add one by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.access import keys

if TYPE_CHECKING:
    from runtime.db import Database

KEY = "trp_" + "only-for-benchmarks" * 2
HEADERS = {"Authorization": f"Bearer {KEY}"}


def migrate(db: Database) -> None:
    """Make every table, and the key."""
    db.migrate()
    with db.write() as session:
        keys.keep_first(session, KEY)
