"""Stores feedback, each item once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypedDict

import sqlalchemy as sa

from cds_service.errors import BadRequest
from cds_service.store.desk import FEEDBACK_S
from cds_service.store.engine import Database, RowRefused
from cds_service.store.statements import insert_new
from cds_service.store.tables import FEEDBACK

COMMENT, COMMENTED = "comment", "commented"  # in `content`: the words, or that there were some


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


def without_comment(content: dict[str, Any]) -> dict[str, Any]:
    """Returns the content in which a comment is replaced by the fact that there was one."""
    if COMMENT not in content:
        return content
    kept = {name: value for name, value in content.items() if name != COMMENT}
    return kept | {COMMENTED: True}


class FeedbackTable:
    """The table of feedback."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, rows: Sequence[FeedbackRow]) -> int:
        """Stores the rows that are new and returns their number; repeats change nothing (T-64).

        Raises StoreUnavailable (503) if they cannot be stored now, BadRequest if they never can.
        """
        if not rows:
            return 0
        try:
            return self._database.desk.ask(partial(self._add, rows), FEEDBACK_S)
        except RowRefused:
            raise BadRequest("An item of 'feedback' holds text that cannot be stored.") from None

    def _add(self, rows: Sequence[FeedbackRow]) -> int:
        with self._database.transaction() as connection:
            statement = insert_new(connection, FEEDBACK)
            return sum(connection.execute(statement, dict(row)).rowcount for row in rows)

    def count(self, tenant: str) -> int:
        """Returns the number of items that this tenant has sent."""
        query = sa.select(sa.func.count()).select_from(FEEDBACK).where(FEEDBACK.c.tenant == tenant)
        with self._database.transaction() as connection:
            return int(connection.execute(query).scalar_one())
