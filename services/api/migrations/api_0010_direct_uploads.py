"""Uploads whose bytes go straight to the object store: by which way, and the store's own id of each."""

import sqlalchemy as sa
from alembic import op

revision = "api_0010"
down_revision = "api_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_uploads", sa.Column("way", sa.String(8), nullable=False, server_default="spool"))
    op.add_column("api_uploads", sa.Column("store_upload", sa.Text))
    op.add_column("api_uploads", sa.Column("part_bytes", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("api_uploads", "part_bytes")
    op.drop_column("api_uploads", "store_upload")
    op.drop_column("api_uploads", "way")
