"""Checks and stores feedback, in the form of the specification and of vendors (T-63..T-67)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from cds_service import metrics
from cds_service.errors import BadRequest, BodyTooLarge, StoreUnavailable
from cds_service.protocol.wire import encode
from cds_service.store.feedback import FeedbackRow, FeedbackTable, without_comment

ANONYMOUS = ""  # the tenant of calls without a token
MAX_ITEMS = 100
_CARD_LENGTH = 100  # Epic's card ids need not look like a UUID
_COMMENT_LENGTH = 2000
_CODE_LENGTH = 200
_SKEW = timedelta(days=1)

Outcome = Literal["accepted", "overridden"]


class FeedbackItem(Struct, frozen=True, kw_only=True):
    """The outcome of one card; `content` holds its suggestions, or reason and comment."""

    card: str
    outcome: Outcome
    outcome_at: datetime
    content: dict[str, Any]

    @property
    def digest(self) -> str:
        """A hash that is the same if the same feedback is sent again."""
        text = encode([self.outcome, self.outcome_at.isoformat(), self.content])
        return hashlib.sha256(text).hexdigest()


def feedback_items(body: object, now: datetime) -> list[FeedbackItem]:
    """Returns the items of one call; BadRequest names the member that is wrong."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items:
        raise BadRequest("The member 'feedback' is missing or not a list with an item in it.")
    if len(items) > MAX_ITEMS:
        raise BodyTooLarge(f"A call may carry at most {MAX_ITEMS} items of feedback.")
    return [_item(item, now) for item in items]


def _item(item: object, now: datetime) -> FeedbackItem:
    if not isinstance(item, dict):
        raise BadRequest("An item of 'feedback' is not an object.")
    card = item.get("card")
    if not _is_id(card):
        raise BadRequest("The member 'card' of a feedback is missing or not a card's uuid.")
    outcome = item.get("outcome")
    if outcome not in ("accepted", "overridden"):
        raise BadRequest(
            "The member 'outcome' of a feedback is neither 'accepted' nor 'overridden'."
        )
    content = _accepted(item) if outcome == "accepted" else _override(item)
    return FeedbackItem(
        card=str(card).strip(),
        outcome=outcome,
        outcome_at=_outcome_time(item, now),
        content=content,
    )


def _is_id(value: object) -> bool:
    """Returns True for any printable text, because not every client sends UUIDs."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value.strip()) <= _CARD_LENGTH


def _accepted(item: Mapping[str, Any]) -> dict[str, Any]:
    suggestions = item.get("acceptedSuggestions")
    if not isinstance(suggestions, list) or not suggestions:
        raise BadRequest("An accepted feedback needs 'acceptedSuggestions'.")
    ids = [s.get("id") if isinstance(s, dict) else None for s in suggestions[:MAX_ITEMS]]
    if not all(_is_id(i) for i in ids):
        raise BadRequest("An item of 'acceptedSuggestions' has no 'id'.")
    return {"suggestions": ids}


def _override(item: Mapping[str, Any]) -> dict[str, Any]:
    # Epic writes `overrideReasons`, and may send only an extension in it (T-67).
    override = item.get("overrideReason", item.get("overrideReasons"))
    if override is None:
        return {}
    if not isinstance(override, dict):
        raise BadRequest("The member 'overrideReason' of a feedback is not an object.")
    content: dict[str, Any] = {}
    reason = _reason(override.get("reason"))
    if reason:
        content["reason"] = reason
    comment = override.get("userComment")
    if isinstance(comment, str) and comment.strip():
        content["comment"] = comment[:_COMMENT_LENGTH]
    if not content and "extension" not in override:
        raise BadRequest("An 'overrideReason' needs a 'reason' or a 'userComment'.")
    return content


def _reason(coding: object) -> dict[str, str]:
    """Returns code and system of a reason, as far as they are text."""
    reason: dict[str, str] = {}
    if isinstance(coding, dict):
        for name in ("code", "system"):
            value = coding.get(name)
            if isinstance(value, str):
                reason[name] = value[:_CODE_LENGTH]
    return reason


def _outcome_time(item: Mapping[str, Any], now: datetime) -> datetime:
    """Returns `outcomeTimestamp` in UTC; a time without a zone is taken for UTC."""
    try:
        instant = datetime.fromisoformat(item.get("outcomeTimestamp", ""))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        instant = instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(
            "The member 'outcomeTimestamp' of a feedback is missing or not an instant."
        ) from None
    if instant > now + _SKEW:
        raise BadRequest("The member 'outcomeTimestamp' of a feedback lies in the future.")
    return instant


class Inbox:
    """Stores the feedback of one deployment; a call is answered only after that."""

    def __init__(self, table: FeedbackTable, *, comments: bool = True) -> None:
        """Without `comments` the words of clinicians are dropped before they are stored."""
        self._table = table
        self._comments = comments

    def keep(
        self, service: str, items: Sequence[FeedbackItem], now: datetime, tenant: str = ANONYMOUS
    ) -> int:
        """Stores all items of a call in one transaction, and returns the number of new ones.

        Raises StoreUnavailable (503) if they cannot be stored now; then none of them is stored.
        """
        rows: dict[tuple[str, str], FeedbackRow] = {}
        for item in items:
            content = item.content if self._comments else without_comment(item.content)
            rows[item.card, item.digest] = FeedbackRow(
                tenant=tenant,
                card=item.card,
                digest=item.digest,
                service=service,
                outcome=item.outcome,
                outcome_at=item.outcome_at,
                received_at=now,
                content=content,
            )
        try:
            new = self._table.add(list(rows.values()))
        except StoreUnavailable:
            metrics.count("cds_feedback_refused")
            raise
        for item in items:
            metrics.count("cds_feedback", item.outcome)
        return new
