"""Predictions with trained models."""

import sqlalchemy as sa
from alembic import op

revision = "api_0003"
down_revision = "api_0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_predictions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("api_jobs.id"), nullable=False, index=True),
        sa.Column("dataset_id", sa.String(32), sa.ForeignKey("api_datasets.id"), index=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("top_k", sa.Integer),
        sa.Column("contributions", sa.Boolean, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, index=True),
        sa.Column("finished_at", _MOMENT),
    )


def downgrade() -> None:
    op.drop_table("api_predictions")
