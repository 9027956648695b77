"""Where feedback is kept: stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cds_service.feedback.message import FeedbackItem
from cds_service.store.feedback import FeedbackRow, FeedbackTable

ANONYMOUS = ""  # the tenant of calls without a token


class Inbox:
    """Keeps feedback of one deployment."""

    def __init__(self, table: FeedbackTable) -> None:
        self._table = table

    def keep(
        self, service: str, items: Sequence[FeedbackItem], now: datetime, tenant: str = ANONYMOUS
    ) -> int:
        """Store all items of a call in one transaction; the number that were new."""
        rows = {(item.card, item.digest): _row(item, service, now, tenant) for item in items}
        return self._table.add(list(rows.values()))


def _row(item: FeedbackItem, service: str, now: datetime, tenant: str) -> FeedbackRow:
    return FeedbackRow(
        tenant=tenant,
        card=item.card,
        digest=item.digest,
        service=service,
        outcome=item.outcome,
        outcome_at=item.outcome_at,
        received_at=now,
        content=item.content,
    )
