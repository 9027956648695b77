"""Where feedback is kept: stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cds_service import metrics
from cds_service.errors import StoreUnavailable
from cds_service.feedback.message import FeedbackItem
from cds_service.store.feedback import FeedbackRow, FeedbackTable, without_comment

ANONYMOUS = ""  # the tenant of calls without a token


class Inbox:
    """Keeps feedback of one deployment."""

    def __init__(self, table: FeedbackTable, *, comments: bool = True) -> None:
        """Without `comments` what clinicians write in their own words is dropped before it is stored."""
        self._table = table
        self._comments = comments

    def keep(
        self, service: str, items: Sequence[FeedbackItem], now: datetime, tenant: str = ANONYMOUS
    ) -> int:
        """Store all items of a call in one transaction; the number that were new.

        StoreUnavailable (503) where they cannot be stored now: then none of them is.
        """
        rows = {(item.card, item.digest): self._row(item, service, now, tenant) for item in items}
        try:
            new = self._table.add(list(rows.values()))
        except StoreUnavailable:
            metrics.count("cds_feedback_refused")
            raise
        for item in items:
            metrics.count("cds_feedback", item.outcome)
        return new

    def _row(self, item: FeedbackItem, service: str, now: datetime, tenant: str) -> FeedbackRow:
        kept = item.content if self._comments else without_comment(item.content)
        return FeedbackRow(
            tenant=tenant,
            card=item.card,
            digest=item.digest,
            service=service,
            outcome=item.outcome,
            outcome_at=item.outcome_at,
            received_at=now,
            content=kept,
        )
