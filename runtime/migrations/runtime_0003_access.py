"""Workspaces, API keys, signed-in browsers, and the workspace of each job."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "runtime_0003"
down_revision = "runtime_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    workspaces = op.create_table(
        "runtime_workspaces",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("created_at", moment, nullable=False),
    )
    op.bulk_insert(workspaces, [{"id": "default", "name": "default", "created_at": datetime.now(UTC)}])
    op.create_table(
        "runtime_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "workspace_id", sa.String(32), sa.ForeignKey("runtime_workspaces.id"), nullable=False, index=True
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hint", sa.String(12), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("revoked_at", moment),
        sa.Column("used_at", moment),
    )
    op.create_table(
        "runtime_sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("workspace_id", sa.String(32), sa.ForeignKey("runtime_workspaces.id"), nullable=False),
        sa.Column("key_id", sa.String(32), sa.ForeignKey("runtime_keys.id"), index=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False, index=True),
    )
    op.create_table(
        "runtime_jobs",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("workspace_id", sa.String(32), sa.ForeignKey("runtime_workspaces.id"), nullable=False),
    )


def downgrade() -> None:
    for table in ("runtime_jobs", "runtime_sessions", "runtime_keys", "runtime_workspaces"):
        op.drop_table(table)
