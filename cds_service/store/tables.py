"""The tables: tenant first in every key. Today: feedback, as it came."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

# Raw and at once: a feedback is matched to its card when it is reported on, because it may arrive
# before the row of the card it speaks of. `digest` makes repeats harmless (T-64).
FEEDBACK = sa.Table(
    "feedback",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("card", sa.String(100), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("service", sa.String(128), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("feedback_received", "tenant", "received_at"),
)
