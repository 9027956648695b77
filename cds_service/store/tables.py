"""The tables: tenant first in every key."""

from __future__ import annotations

import sqlalchemy as sa

from cds_service.store.kinds import Instant

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
    sa.Column("outcome_at", Instant, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Index("feedback_received", "tenant", "received_at"),
)

# Tokens that were used, by the hash of their `jti`: a row matters until the token expires (T-23).
USED_TOKENS = sa.Table(
    "replay",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("expires", Instant, nullable=False),
    sa.Index("replay_expires", "expires"),
)

# One row for each time a card was sent. The same advice on the same facts has the same uuid, so one card
# may have many rows. Nothing of a patient can be read from it: hashes are keyed with the deployment's
# secret, and sodium, band and hashes of symptoms stand here because suppression ends when they get worse.
ISSUED = sa.Table(
    "issued",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("call", sa.String(32), primary_key=True),
    sa.Column("card", sa.String(36), primary_key=True),
    sa.Column("issued_at", Instant, nullable=False),
    sa.Column("service", sa.String(128), nullable=False),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("profile", sa.String(32), nullable=False),
    sa.Column("topic", sa.String(100), nullable=False),
    sa.Column("indicator", sa.String(16), nullable=False),
    sa.Column("rules", sa.Text, nullable=False),  # the rule and those merged into its card
    sa.Column("patient_hash", sa.String(32), nullable=False),
    sa.Column("user_hash", sa.String(32), nullable=False),  # empty: the call named no user
    sa.Column("drugs_hash", sa.String(32), nullable=False),
    sa.Column("sodium", sa.String(16), nullable=False),  # mmol/L; empty: none
    sa.Column("band", sa.String(16), nullable=False),
    sa.Column("symptom_hashes", sa.Text, nullable=False),
    sa.Column("result_hash", sa.String(32), nullable=False),
    sa.Column("suggestions", sa.JSON, nullable=False),  # their uuids
    sa.Column("knowledge", sa.String(64), nullable=False),  # SHA-256 of hooks/
    sa.Index("issued_time", "tenant", "issued_at"),
    sa.Index("issued_card", "tenant", "card", "issued_at"),
    sa.Index("issued_patient", "tenant", "patient_hash", "issued_at"),
)

# One row for each hook call, whatever came of it.
AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("call", sa.String(32), primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("correlation", sa.String(32), nullable=False),
    sa.Column("service", sa.String(128), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("profile", sa.String(32), nullable=False),
    sa.Column("patient_hash", sa.String(32), nullable=False),
    sa.Column("user_hash", sa.String(32), nullable=False),
    sa.Column("cards", sa.Integer, nullable=False),
    sa.Column("fired", sa.Text, nullable=False),  # rules
    sa.Column(
        "suppressed", sa.Text, nullable=False
    ),  # rules of cards that stayed away after feedback
    sa.Column("shadow", sa.Boolean, nullable=False),  # evaluated, and nothing shown
    sa.Column("sources", sa.JSON, nullable=False),  # state of each prefetch key
    sa.Column("knowledge", sa.String(64), nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Index("audit_time", "tenant", "at"),
)

# Counts for each day (UTC), rule and profile: what remains when the rows above are pruned.
TALLY = sa.Table(
    "tally",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("service", sa.String(128), primary_key=True),
    sa.Column("rule", sa.String(64), primary_key=True),
    sa.Column("profile", sa.String(32), primary_key=True),
    sa.Column("fired", sa.Integer, nullable=False),
    sa.Column("returned", sa.Integer, nullable=False),
    sa.Column("suppressed", sa.Integer, nullable=False),
)
