"""An index that alone tells how many bytes there are; what is to be removed; from which attempt on checkpoints are kept."""

import sqlalchemy as sa
from alembic import op

revision = "api_0008"
down_revision = "api_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_api_datasets_bytes", "api_datasets", ["table_bytes", "file_bytes"])
    op.add_column(
        "api_jobs", sa.Column("checkpoints_from", sa.Integer, nullable=False, server_default=sa.text("1"))
    )
    op.create_table(
        "api_garbage",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, index=True),
    )
    chores = op.create_table(
        "api_chores",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("due_at", sa.Float, nullable=False),
    )
    op.bulk_insert(chores, [{"name": "clean", "due_at": 0.0}])


def downgrade() -> None:
    op.drop_table("api_chores")
    op.drop_table("api_garbage")
    op.drop_column("api_jobs", "checkpoints_from")
    op.drop_index("ix_api_datasets_bytes", "api_datasets")
