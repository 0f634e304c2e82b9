"""Runs: one for each attempt of a job."""

import sqlalchemy as sa
from alembic import op

revision = "launcher_0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "launcher_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("cpus", sa.Float, nullable=False),
        sa.Column("memory_mb", sa.Integer, nullable=False),
        sa.Column("max_seconds", sa.Integer, nullable=False),
        sa.Column("correlation", sa.JSON, nullable=False),
        sa.Column("requested_at", _MOMENT, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("launch_tries", sa.Integer, nullable=False),
        sa.Column("first_tried_at", sa.Float),
        sa.Column("launcher", sa.String(32)),
        sa.Column("handle", sa.Text),
        sa.Column("launched_at", _MOMENT),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("stop_reason", sa.Text),
        sa.Column("reported", sa.Boolean, nullable=False),
        sa.Column("reported_at", sa.Float),
        sa.Column("gone_at", sa.Float),
        sa.Column("ended_at", _MOMENT),
        sa.Column("exit_code", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("job_id", "attempt"),
    )
    op.create_index("launcher_runs_state", "launcher_runs", ["state", "due_at"])


def downgrade() -> None:
    op.drop_table("launcher_runs")
