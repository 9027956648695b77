"""Feedback rows: written at once, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.store.tables import FEEDBACK


class FeedbackRow(TypedDict):
    """One feedback item of one tenant."""

    tenant: str
    card: str
    digest: str
    service: str
    outcome: str
    outcome_at: datetime
    received_at: datetime
    content: dict[str, Any]


class FeedbackTable:
    """The repository of feedback rows."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, rows: Sequence[FeedbackRow]) -> int:
        """Store what is new; the number of new rows. Repeats change nothing (T-64)."""
        if not rows:
            return 0
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(FEEDBACK).values(list(rows)).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            return connection.execute(statement).rowcount

    def count(self, tenant: str) -> int:
        """How many items this tenant has sent."""
        query = sa.select(sa.func.count()).select_from(FEEDBACK).where(FEEDBACK.c.tenant == tenant)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
