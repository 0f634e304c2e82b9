"""Finding the deliveries of an event, and when a dead one died."""

import sqlalchemy as sa
from alembic import op

revision = "runtime_0002"
down_revision = "runtime_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without it, deleting an event reads every delivery for the foreign key
    op.create_index("runtime_deliveries_event", "runtime_deliveries", ["event_id"])
    # When it died was not kept; when it would have been due again is minutes off
    deliveries = sa.table(
        "runtime_deliveries", sa.column("state"), sa.column("handled_at"), sa.column("due_at")
    )
    op.execute(
        deliveries.update()
        .where(deliveries.c.state == "dead", deliveries.c.handled_at.is_(None))
        .values(handled_at=deliveries.c.due_at)
    )


def downgrade() -> None:
    op.drop_index("runtime_deliveries_event", "runtime_deliveries")
