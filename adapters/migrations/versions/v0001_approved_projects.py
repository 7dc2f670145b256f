"""Approved projects, found by owner and time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "approved_projects",
        sa.Column("project_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("search", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("approved_projects_by_owner_and_time", "approved_projects", ["owner", "approved_at", "project_id"])


def downgrade() -> None:
    op.drop_table("approved_projects")
