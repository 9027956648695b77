"""Issued cards, the audit of calls, and daily counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables and their indexes."""
    _issued()
    _audit()
    op.create_table(
        "tally",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("service", sa.String(128), primary_key=True),
        sa.Column("rule", sa.String(64), primary_key=True),
        sa.Column("profile", sa.String(32), primary_key=True),
        sa.Column("fired", sa.Integer, nullable=False),
        sa.Column("returned", sa.Integer, nullable=False),
        sa.Column("suppressed", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Remove what `upgrade` made."""
    for table in ("tally", "audit", "issued"):
        op.drop_table(table)


def _issued() -> None:
    op.create_table(
        "issued",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("call", sa.String(32), primary_key=True),
        sa.Column("card", sa.String(36), primary_key=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("topic", sa.String(100), nullable=False),
        sa.Column("indicator", sa.String(16), nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("patient_hash", sa.String(32), nullable=False),
        sa.Column("user_hash", sa.String(32), nullable=False),
        sa.Column("drugs_hash", sa.String(32), nullable=False),
        sa.Column("sodium", sa.String(16), nullable=False),
        sa.Column("band", sa.String(16), nullable=False),
        sa.Column("symptom_hashes", sa.Text, nullable=False),
        sa.Column("result_hash", sa.String(32), nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
        sa.Column("knowledge", sa.String(64), nullable=False),
    )
    op.create_index("issued_time", "issued", ["tenant", "issued_at"])
    op.create_index("issued_card", "issued", ["tenant", "card", "issued_at"])
    op.create_index("issued_patient", "issued", ["tenant", "patient_hash", "issued_at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("call", sa.String(32), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation", sa.String(32), nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("patient_hash", sa.String(32), nullable=False),
        sa.Column("user_hash", sa.String(32), nullable=False),
        sa.Column("cards", sa.Integer, nullable=False),
        sa.Column("fired", sa.Text, nullable=False),
        sa.Column("suppressed", sa.Text, nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("sources", sa.JSON, nullable=False),
        sa.Column("knowledge", sa.String(64), nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
    )
    op.create_index("audit_time", "audit", ["tenant", "at"])
