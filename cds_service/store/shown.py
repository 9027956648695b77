"""Reads the cards that were shown, and how they were answered, for suppression."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from cds_service.store.engine import Database
from cds_service.store.tables import FEEDBACK, ISSUED

# Of one patient. The oldest ones beyond it are not read, so that their cards may be shown again.
MOST_SHOWINGS = 200


class ShownCard(Struct, frozen=True, kw_only=True):
    """One time that a card was shown, with one feedback on it or none.

    The fields are columns of ISSUED and FEEDBACK.
    """

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
    outcome_at: datetime | None = None  # None: no feedback
    received_at: datetime | None = None
    outcome: str | None = None  # accepted or overridden
    content: Mapping[str, Any] | None = None

    @property
    def reason(self) -> str:
        """The code of our own CodeSystem that the feedback gives as its reason; else empty."""
        reason = (self.content or {}).get("reason", {})
        return "" if reason.get("system") else str(reason.get("code", ""))


# The query behind `ShownTable.shown`; made once, because that takes longer than running it.
SHOWN_CARDS = (
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
        FEEDBACK.c.outcome,
        FEEDBACK.c.content,
    )
    .outerjoin(
        FEEDBACK,
        sa.and_(
            FEEDBACK.c.tenant == ISSUED.c.tenant,
            FEEDBACK.c.card == ISSUED.c.card,
            # Only these say that the reader has seen the card and decided; in doubt it is shown.
            FEEDBACK.c.outcome.in_(("accepted", "overridden")),
        ),
    )
    .where(
        ISSUED.c.tenant == sa.bindparam("tenant"),
        ISSUED.c.patient_hash == sa.bindparam("patient_hash"),
        ISSUED.c.issued_at >= sa.bindparam("since"),
        # Without an answer only a showing of the last hours counts.
        sa.or_(
            FEEDBACK.c.card.is_not(None), ISSUED.c.issued_at >= sa.bindparam("unanswered_since")
        ),
    )
    .order_by(ISSUED.c.issued_at.desc())
    .limit(MOST_SHOWINGS)
)


class ShownTable:
    """The cards that were shown."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, tenant: str, patient_hash: str, since: datetime, unanswered_since: datetime
    ) -> Future[list[ShownCard]] | None:
        """Starts `shown`, or returns None if the database does not work as far as we know."""
        if self._database.problem:
            return None
        work = partial(self.shown, tenant, patient_hash, since, unanswered_since)
        return self._database.desk.begin(work)

    def shown(
        self, tenant: str, patient_hash: str, since: datetime, unanswered_since: datetime
    ) -> list[ShownCard]:
        """Returns each showing since then of a card with feedback, oldest first.

        A showing is returned once for each feedback on its card. A showing without feedback is
        returned if it is of the time since `unanswered_since`. Only the newest MOST_SHOWINGS are
        returned, so that a chart that is opened again and again does not make its calls slow.
        """
        wanted = {
            "tenant": tenant,
            "patient_hash": patient_hash,
            "since": since,
            "unanswered_since": unanswered_since,
        }
        with self._database.transaction() as connection:
            rows = connection.execute(SHOWN_CARDS, wanted).all()
        return [ShownCard(**row._mapping) for row in reversed(rows)]
