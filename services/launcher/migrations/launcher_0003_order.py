"""Runs by the order in which they start; by when they are due, all that wait would be read and sorted for each that starts."""

from alembic import op

revision = "launcher_0003"
down_revision = "launcher_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("launcher_runs_order", "launcher_runs", ["state", "requested_at", "id"])
    op.drop_index("launcher_runs_state", "launcher_runs")


def downgrade() -> None:
    op.create_index("launcher_runs_state", "launcher_runs", ["state", "due_at"])
    op.drop_index("launcher_runs_order", "launcher_runs")
