"""Whom a delivery is about, and since when it has been stuck: a store is waited for, or it is dead."""

import sqlalchemy as sa
from alembic import op

revision = "runtime_0005"
down_revision = "runtime_0004"
branch_labels = None
depends_on = None

_SUBJECTS = ("prediction_id", "job_id", "dataset_id", "subject")


def upgrade() -> None:
    op.add_column(
        "runtime_deliveries", sa.Column("subject", sa.String(64), nullable=False, server_default="")
    )
    op.add_column("runtime_deliveries", sa.Column("stuck_since", sa.Float, nullable=True))
    op.create_index(
        "runtime_deliveries_stuck",
        "runtime_deliveries",
        ["subject"],
        postgresql_where=sa.text("stuck_since IS NOT NULL"),
        sqlite_where=sa.text("stuck_since IS NOT NULL"),
    )
    deliveries = sa.table(
        "runtime_deliveries",
        *map(sa.column, ("id", "event_id", "state", "handled_at", "stuck_since", "subject")),
    )
    events = sa.table("runtime_events", sa.column("id"), sa.column("envelope", sa.JSON))
    connection = op.get_bind()
    # Nobody asks it of those that were handled, which may be millions
    open_ones = connection.execute(
        sa.select(deliveries.c.id, events.c.envelope)
        .join(events, events.c.id == deliveries.c.event_id)
        .where(deliveries.c.state.in_(("pending", "dead")))
    ).all()
    for row in open_ones:
        data = row.envelope["data"]
        subject = next((data[name] for name in _SUBJECTS if name in data), "")
        connection.execute(deliveries.update().where(deliveries.c.id == row.id).values(subject=str(subject)))
    op.execute(
        deliveries.update().where(deliveries.c.state == "dead").values(stuck_since=deliveries.c.handled_at)
    )


def downgrade() -> None:
    op.drop_index("runtime_deliveries_stuck", "runtime_deliveries")
    op.drop_column("runtime_deliveries", "stuck_since")
    op.drop_column("runtime_deliveries", "subject")
