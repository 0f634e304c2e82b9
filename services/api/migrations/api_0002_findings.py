"""What the checks before a job found."""

import sqlalchemy as sa
from alembic import op

revision = "api_0002"
down_revision = "api_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_jobs", sa.Column("findings", sa.JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("api_jobs", "findings")
