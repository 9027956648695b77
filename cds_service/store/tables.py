"""Defines the tables; the tenant comes first in every key."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

METADATA = sa.MetaData()


class Instant(sa.TypeDecorator[datetime]):
    """A column of instants, which are written and read as UTC; SQLite itself keeps no zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Returns the value in UTC; a value without a zone is our mistake."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant without its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Returns the stored value as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


# Feedback is stored raw and at once. It is matched to its card when it is reported on, because it
# may arrive before the row of that card. `digest` makes repeats harmless (T-64).
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

# The hashes of the `jti` of tokens that were used; a row is needed until its token expires (T-23).
USED_TOKENS = sa.Table(
    "replay",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("expires", Instant, nullable=False),
    sa.Index("replay_expires", "expires"),
)

# One row for each time a card was sent. The same advice on the same facts has the same uuid, so one
# card may have many rows. No patient can be identified by it: the hashes are keyed with the
# deployment's secret. Sodium, band and hashes of symptoms are kept because suppression ends if they
# get worse.
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
    sa.Column("suggestions", sa.JSON, nullable=False),  # uuid: kind; before 0.1: their uuids
    sa.Column("knowledge", sa.String(64), nullable=False),  # SHA-256 of hooks/
    sa.Index("issued_time", "tenant", "issued_at"),
    sa.Index("issued_card", "tenant", "card", "issued_at"),
    sa.Index("issued_patient", "tenant", "patient_hash", "issued_at"),
)

# One row for each hook call, with or without cards.
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
    # Rules of the cards that stayed away after feedback.
    sa.Column("suppressed", sa.Text, nullable=False),
    sa.Column("shadow", sa.Boolean, nullable=False),  # evaluated, and nothing shown
    sa.Column("sources", sa.JSON, nullable=False),  # state of each prefetch key
    sa.Column("knowledge", sa.String(64), nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    # "shown" or "shadow", the arm of the patient, if the client has a shadow_share.
    sa.Column("arm", sa.String(8), nullable=False, server_default=""),
    sa.Index("audit_time", "tenant", "at"),
)

# Counts for each day (UTC), rule and profile; they remain when the rows above are pruned.
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

# What the calls of each client brought on each day (UTC). They remain, as TALLY does. `client` is
# the entry of clients.toml whose FHIR server the call names; only the tenant is proven.
CENSUS = sa.Table(
    "census",
    METADATA,
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

# What was switched off and on, one row for each change; the newest of a rule and client counts.
# `tenant` is a client of clients.toml, or empty for all.
SWITCH = sa.Table(
    "switch",
    METADATA,
    sa.Column("tenant", sa.String(128), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rule", sa.String(64), nullable=False),  # or "all"
    sa.Column("off", sa.Boolean, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(128), nullable=False),  # user and machine
)
