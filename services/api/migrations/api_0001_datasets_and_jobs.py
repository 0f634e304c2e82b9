"""Data sets, jobs, and the states jobs went through."""

import sqlalchemy as sa
from alembic import op

revision = "api_0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_datasets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, index=True),
        sa.Column("table_name", sa.String(300), nullable=False),
        sa.Column("table_bytes", sa.BigInteger, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("file_bytes", sa.BigInteger, nullable=False),
        sa.Column("schema_state", sa.String(16), nullable=False),
        sa.Column("schema_reason", sa.Text),
        sa.Column("staging_state", sa.String(16), nullable=False),
        sa.Column("staging_reason", sa.Text),
        sa.Column("bytes_done", sa.BigInteger, nullable=False),
        sa.Column("train_file", sa.Text),
        sa.Column("train_folder", sa.Text),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("n_columns", sa.Integer, nullable=False),
        sa.Column("detected", sa.JSON, nullable=False),
        sa.Column("preview", sa.JSON, nullable=False),
        sa.Column("overrides", sa.JSON, nullable=False),
        sa.Column("target", sa.Text),
    )
    op.create_table(
        "api_jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("dataset_id", sa.String(32), sa.ForeignKey("api_datasets.id"), nullable=False, index=True),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("reason", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("launch_requested", sa.Boolean, nullable=False),
        sa.Column("launcher", sa.String(32)),
        sa.Column("handle", sa.Text),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("artifacts", sa.JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, index=True),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
    )
    op.create_table(
        "api_job_steps",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("api_jobs.id"), nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("at", _MOMENT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("api_job_steps")
    op.drop_table("api_jobs")
    op.drop_table("api_datasets")
