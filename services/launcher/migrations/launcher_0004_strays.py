"""Until when a run is looked for that ended while its provider did not know it."""

import sqlalchemy as sa
from alembic import op

revision = "launcher_0004"
down_revision = "launcher_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("launcher_runs", sa.Column("stray_until", sa.Float))
    op.create_index("launcher_runs_strays", "launcher_runs", ["stray_until"])


def downgrade() -> None:
    op.drop_index("launcher_runs_strays", "launcher_runs")
    op.drop_column("launcher_runs", "stray_until")
