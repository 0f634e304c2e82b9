"""What was heard of a run, how long it has run, and what it may."""

import sqlalchemy as sa
from alembic import op

revision = "launcher_0002"
down_revision = "launcher_0001"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("ran_seconds", sa.Float, "0"),
    ("max_idle_seconds", sa.Integer, "0"),
    ("started_at", sa.Float, None),
    ("silent_since", sa.Float, None),
    ("silent_until", sa.Float, "0"),
    ("everyone_silent", sa.Boolean, sa.false()),
)


def upgrade() -> None:
    for name, kind, default in _COLUMNS:
        op.add_column(
            "launcher_runs", sa.Column(name, kind, nullable=default is None, server_default=default)
        )


def downgrade() -> None:
    for name, _, _ in _COLUMNS:
        op.drop_column("launcher_runs", name)
