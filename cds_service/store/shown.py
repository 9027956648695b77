"""Cards that were shown and answered: what suppression after feedback asks of the store."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from cds_service.store.engine import Database
from cds_service.store.tables import FEEDBACK, ISSUED


class ShownCard(Struct, frozen=True, kw_only=True):
    """One time that a card was shown, beside one feedback on that card. Columns of ISSUED and FEEDBACK."""

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


_SHOWN = ("card", "issued_at", "user_hash", "topic", "indicator", "rules", "profile")
_RESTED_ON = ("drugs_hash", "sodium", "band", "symptom_hashes", "result_hash")
_COLUMNS = (
    *(ISSUED.c[name] for name in (*_SHOWN, *_RESTED_ON)),
    FEEDBACK.c.outcome_at,
    FEEDBACK.c.received_at,
)


# The query behind `ShownTable.answered`, put together once: that takes longer than running it.
ANSWERED_CARDS = (
    sa.select(*_COLUMNS)
    .join(FEEDBACK, sa.and_(FEEDBACK.c.tenant == ISSUED.c.tenant, FEEDBACK.c.card == ISSUED.c.card))
    .where(
        ISSUED.c.tenant == sa.bindparam("tenant"),
        ISSUED.c.patient_hash == sa.bindparam("patient_hash"),
        ISSUED.c.issued_at >= sa.bindparam("since"),
    )
    .order_by(ISSUED.c.issued_at)
)


class ShownTable:
    """The repository of cards that were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def usable(self) -> bool:
        """Whether it is worth asking now."""
        return not self._database.problem

    def answered(self, tenant: str, patient_hash: str, since: datetime) -> list[ShownCard]:
        """Each showing since then of a card that has feedback, once for each feedback, oldest first."""
        with self._database.transaction() as connection:
            wanted = {"tenant": tenant, "patient_hash": patient_hash, "since": since}
            # Most patients have none, and names for the columns of no row cost as much as asking for it.
            return [
                ShownCard(**row._mapping)
                for row in connection.execute(ANSWERED_CARDS, wanted).all()
            ]
