"""The arm of a call, for clients with a shadow_share. It only adds a column with a default."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    arm = sa.Column("arm", sa.String(8), nullable=False, server_default="")
    op.add_column("audit", arm)


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("audit", "arm")
