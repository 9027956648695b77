"""Daily counts of what clients deliver. It only adds: an older release works on beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "census",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("client", sa.String(64), primary_key=True),
        sa.Column("service", sa.String(128), primary_key=True),
        sa.Column("sodium_none", sa.Integer, nullable=False),
        sa.Column("sodium_unreadable", sa.Integer, nullable=False),
        sa.Column("sodium_read", sa.Integer, nullable=False),
        sa.Column("orders_recognised", sa.Integer, nullable=False),
        sa.Column("orders_unrecognised", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.drop_table("census")
