"""Reads the cards that were shown and answered, for suppression after feedback."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from cds_service.store.engine import Database
from cds_service.store.tables import FEEDBACK, ISSUED


class ShownCard(Struct, frozen=True, kw_only=True):
    """One time that a card was shown, and one feedback on it; columns of ISSUED and FEEDBACK."""

    card: str
    issued_at: datetime
    user_hash: str
    topic: str
    indicator: str
    rules: str
    profile: str
    drugs_hash: str
    sodium: str
    band: str
    symptom_hashes: str
    result_hash: str
    outcome_at: datetime
    received_at: datetime


# The query behind `ShownTable.answered`; made once, because that takes longer than running it.
ANSWERED_CARDS = (
    sa.select(
        ISSUED.c.card,
        ISSUED.c.issued_at,
        ISSUED.c.user_hash,
        ISSUED.c.topic,
        ISSUED.c.indicator,
        ISSUED.c.rules,
        ISSUED.c.profile,
        ISSUED.c.drugs_hash,
        ISSUED.c.sodium,
        ISSUED.c.band,
        ISSUED.c.symptom_hashes,
        ISSUED.c.result_hash,
        FEEDBACK.c.outcome_at,
        FEEDBACK.c.received_at,
    )
    .join(FEEDBACK, sa.and_(FEEDBACK.c.tenant == ISSUED.c.tenant, FEEDBACK.c.card == ISSUED.c.card))
    .where(
        ISSUED.c.tenant == sa.bindparam("tenant"),
        ISSUED.c.patient_hash == sa.bindparam("patient_hash"),
        ISSUED.c.issued_at >= sa.bindparam("since"),
        # Only these say that the reader has seen the card and decided; in doubt it is shown.
        FEEDBACK.c.outcome.in_(("accepted", "overridden")),
    )
    .order_by(ISSUED.c.issued_at)
)


class ShownTable:
    """The cards that were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def usable(self) -> bool:
        """True if the database works as far as we know."""
        return not self._database.problem

    def answered(self, tenant: str, patient_hash: str, since: datetime) -> list[ShownCard]:
        """Returns each showing since then of a card with feedback, oldest first.

        A showing is returned once for each feedback on its card.
        """
        wanted = {"tenant": tenant, "patient_hash": patient_hash, "since": since}
        with self._database.transaction() as connection:
            rows = connection.execute(ANSWERED_CARDS, wanted).all()
        return [ShownCard(**row._mapping) for row in rows]
