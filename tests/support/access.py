"""The key that tests' databases begin with; it may do everything in the first workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.access import keys

if TYPE_CHECKING:
    from runtime.db import Database

KEY = "trp_" + "only-for-tests" * 3
HEADERS = {"Authorization": f"Bearer {KEY}"}
ENVIRON = {"HTTP_AUTHORIZATION": HEADERS["Authorization"]}  # for a Flask test client's `environ_base`


def migrate(db: Database) -> None:
    """Make every table, and the key."""
    db.migrate()
    with db.write() as session:
        keys.keep_first(session, KEY)
