"""When the silence of a job was told last."""

import sqlalchemy as sa
from alembic import op

revision = "metrics_0002"
down_revision = "metrics_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("metrics_jobs", sa.Column("silence_told_at", sa.DateTime(timezone=True)))
    op.create_index("ix_metrics_jobs_state", "metrics_jobs", ["state"])


def downgrade() -> None:
    op.drop_index("ix_metrics_jobs_state", "metrics_jobs")
    op.drop_column("metrics_jobs", "silence_told_at")
