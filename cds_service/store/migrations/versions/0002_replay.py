"""The table of used tokens, for databases that several nodes share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "replay",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("replay_expires", "replay", ["expires"])


def downgrade() -> None:
    """Remove what `upgrade` made."""
    op.drop_index("replay_expires", "replay")
    op.drop_table("replay")
