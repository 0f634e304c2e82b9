"""An index that alone serves the searched and paged list of data sets."""

from alembic import op

revision = "api_0005"
down_revision = "api_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_api_datasets_list", "api_datasets", ["created_at", "id", "name"])
    op.drop_index("ix_api_datasets_created_at", "api_datasets")


def downgrade() -> None:
    op.create_index("ix_api_datasets_created_at", "api_datasets", ["created_at"])
    op.drop_index("ix_api_datasets_list", "api_datasets")
