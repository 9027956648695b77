"""A feedback call, checked: outcomes of cards, in the specification's form and the vendors' (T-63..T-67)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from cds_service.errors import BadRequest, BodyTooLarge
from cds_service.protocol.wire import encode

MAX_ITEMS = 100
_CARD_LENGTH = 100  # Epic's card ids need not look like a UUID
_COMMENT_LENGTH = 2000
_CODE_LENGTH = 200
_SKEW = timedelta(days=1)

Outcome = Literal["accepted", "overridden"]


class FeedbackItem(Struct, frozen=True, kw_only=True):
    """What became of one card. `content` is what is kept beside: suggestions, reason, comment."""

    card: str
    outcome: Outcome
    outcome_at: datetime
    content: dict[str, Any]

    @property
    def digest(self) -> str:
        """The same for a repeat of the same call."""
        told = encode([self.outcome, self.outcome_at.isoformat(), self.content])
        return hashlib.sha256(told).hexdigest()


def feedback_items(body: object, now: datetime) -> list[FeedbackItem]:
    """The items of one call; BadRequest names the member that is wrong."""
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
        card=str(card).strip(), outcome=outcome, outcome_at=_instant(item, now), content=content
    )


def _is_id(value: object) -> bool:
    """A card's or suggestion's id: any printable text, because not every client keeps to UUIDs."""
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
    # Epic writes `overrideReasons`, and may send nothing but an extension in it (T-67).
    said = item.get("overrideReason", item.get("overrideReasons"))
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise BadRequest("The member 'overrideReason' of a feedback is not an object.")
    kept: dict[str, Any] = {}
    reason = said.get("reason")
    if isinstance(reason, dict):
        kept["reason"] = {
            p: str(reason[p])[:_CODE_LENGTH]
            for p in ("code", "system")
            if isinstance(reason.get(p), str)
        }
    comment = said.get("userComment")
    if isinstance(comment, str) and comment.strip():
        kept["comment"] = comment[:_COMMENT_LENGTH]
    if not kept.get("reason") and "comment" not in kept and "extension" not in said:
        raise BadRequest("An 'overrideReason' needs a 'reason' or a 'userComment'.")
    return {name: value for name, value in kept.items() if value}


def _instant(item: Mapping[str, Any], now: datetime) -> datetime:
    value = item.get("outcomeTimestamp")
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        utc = (
            (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
            if instant
            else None
        )
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise BadRequest(
            "The member 'outcomeTimestamp' of a feedback is missing or not an instant."
        )
    if utc > now + _SKEW:
        raise BadRequest("The member 'outcomeTimestamp' of a feedback lies in the future.")
    return utc
