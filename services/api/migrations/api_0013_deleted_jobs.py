"""The metrics service is told of the jobs that were deleted before it was told of any: what it keeps of them goes now."""

import time
from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "api_0013"
down_revision = "api_0012"
branch_labels = None
depends_on = None

# As the outbox writes them at this revision
_EVENTS = sa.table("runtime_events", sa.column("id"), sa.column("envelope", sa.JSON), sa.column("created_at"))
_DELIVERIES = sa.table(
    "runtime_deliveries",
    *map(sa.column, ("event_id", "queue", "state", "due_at", "published", "attempts")),
    *map(sa.column, ("lease_token", "lease_until", "last_error")),
)


def upgrade() -> None:
    connection = op.get_bind()
    # Whose a job is stays written down; it and the job's own row are made in one transaction
    gone = connection.scalars(
        sa.text("SELECT job_id FROM runtime_jobs WHERE job_id NOT IN (SELECT id FROM api_jobs)")
    ).all()
    if not gone:
        return
    now = time.time()
    envelopes = [
        {
            "id": str(uuid4()),
            "event": "job.deleted.v1",
            "occurred_at": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
            "correlation": {"job_id": job_id},
            "data": {"job_id": job_id},
        }
        for job_id in gone
    ]
    connection.execute(
        sa.insert(_EVENTS),
        [{"id": envelope["id"], "envelope": envelope, "created_at": now} for envelope in envelopes],
    )
    fresh = {"state": "pending", "due_at": now, "published": 0, "attempts": 0}
    unclaimed = {"lease_token": 0, "lease_until": 0.0, "last_error": ""}
    connection.execute(
        sa.insert(_DELIVERIES),
        [{"event_id": envelope["id"], "queue": "metrics", **fresh, **unclaimed} for envelope in envelopes],
    )


def downgrade() -> None:
    """Nothing to take back: what was told stays true."""
