"""The feedback table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "feedback",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("card", sa.String(100), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("feedback_received", "feedback", ["tenant", "received_at"])


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.drop_index("feedback_received", "feedback")
    op.drop_table("feedback")
