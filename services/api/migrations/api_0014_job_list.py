"""An index that alone serves the list of jobs: searched, narrowed to states or a data set, sorted and paged."""

from alembic import op

revision = "api_0014"
down_revision = "api_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_api_jobs_list",
        "api_jobs",
        ["workspace_id", "created_at", "id", "name", "state", "dataset_id", "finished_at"],
    )
    op.drop_index("ix_api_jobs_workspace", "api_jobs")


def downgrade() -> None:
    op.create_index("ix_api_jobs_workspace", "api_jobs", ["workspace_id", "created_at"])
    op.drop_index("ix_api_jobs_list", "api_jobs")
