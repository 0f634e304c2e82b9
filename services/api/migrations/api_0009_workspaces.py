"""The workspace that data sets, uploads, jobs and predictions are in; what there is goes to the first one."""

import sqlalchemy as sa
from alembic import op

revision = "api_0009"
down_revision = "api_0008"
branch_labels = None
depends_on = None

TABLES = ("api_datasets", "api_uploads", "api_jobs", "api_predictions")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(
            table, sa.Column("workspace_id", sa.String(32), nullable=False, server_default="default")
        )
    # Lists and sums of one workspace are read in an index alone, as those of all were
    op.drop_index("ix_api_datasets_list", "api_datasets")
    op.create_index("ix_api_datasets_list", "api_datasets", ["workspace_id", "created_at", "id", "name"])
    op.drop_index("ix_api_datasets_bytes", "api_datasets")
    op.create_index("ix_api_datasets_bytes", "api_datasets", ["workspace_id", "table_bytes", "file_bytes"])
    op.create_index("ix_api_jobs_workspace", "api_jobs", ["workspace_id", "created_at"])
    op.create_index("ix_api_predictions_workspace", "api_predictions", ["workspace_id", "created_at"])
    # The runtime's tables are there already: its migrations run first
    op.execute("INSERT INTO runtime_jobs (job_id, workspace_id) SELECT id, workspace_id FROM api_jobs")


def downgrade() -> None:
    op.execute("DELETE FROM runtime_jobs")
    op.drop_index("ix_api_predictions_workspace", "api_predictions")
    op.drop_index("ix_api_jobs_workspace", "api_jobs")
    op.drop_index("ix_api_datasets_bytes", "api_datasets")
    op.drop_index("ix_api_datasets_list", "api_datasets")
    op.create_index("ix_api_datasets_bytes", "api_datasets", ["table_bytes", "file_bytes"])
    op.create_index("ix_api_datasets_list", "api_datasets", ["created_at", "id", "name"])
    for table in TABLES:
        op.drop_column(table, "workspace_id")
