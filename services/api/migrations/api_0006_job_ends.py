"""What ended last, without a look at every job."""

from alembic import op

revision = "api_0006"
down_revision = "api_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_api_jobs_finished_at", "api_jobs", ["finished_at"])


def downgrade() -> None:
    op.drop_index("ix_api_jobs_finished_at", "api_jobs")
