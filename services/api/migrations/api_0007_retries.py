"""How often a job is tried again by itself, and what its attempts have used of the time it may run."""

import sqlalchemy as sa
from alembic import op

revision = "api_0007"
down_revision = "api_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_jobs", sa.Column("last_attempt", sa.Integer, nullable=False, server_default="1"))
    op.add_column("api_jobs", sa.Column("ran_seconds", sa.Float, nullable=False, server_default="0"))
    op.add_column(
        "api_jobs", sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false())
    )
    # Nothing was promised to the jobs there are
    op.execute("UPDATE api_jobs SET last_attempt = attempt")


def downgrade() -> None:
    for name in ("last_attempt", "ran_seconds", "cancel_requested"):
        op.drop_column("api_jobs", name)
