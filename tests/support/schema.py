"""The tables of every room beside what its models say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from runtime import tables
from runtime.access import models as access  # noqa: F401 - its tables are the runtime's, too
from runtime.db import OWNERS
from services.api import models as api
from services.launcher import models as launcher
from services.metrics import models as metrics

if TYPE_CHECKING:
    from runtime.db import Database

BASES = {
    "runtime": tables.Base,
    "services.api": api.Base,
    "services.launcher": launcher.Base,
    "services.metrics": metrics.Base,
}


def differences(db: Database) -> list[Any]:
    """Give what Alembic would still have to change; empty where the tables are what the models say."""
    everything = MetaData()
    for base in BASES.values():
        for table in base.metadata.sorted_tables:
            table.to_metadata(everything)
    versions = {f"{owner.rpartition('.')[2]}_alembic_version" for owner in OWNERS}
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _o, name, kind, *_: not (kind == "table" and name in versions),
            },
        )
        return list(compare_metadata(context, everything))
