"""How connections are handed out."""

from __future__ import annotations

from runtime.db import Database


def test_sqlite_takes_the_connection_whose_page_cache_is_warm(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/test.db")
    with db.engine.connect() as last_back, db.engine.connect():
        warm = last_back.connection.dbapi_connection
    for _ in range(2):
        with db.engine.connect() as taken:
            assert taken.connection.dbapi_connection is warm
    db.engine.dispose()
