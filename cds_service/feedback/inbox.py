"""Checks and stores feedback, in the form of the specification and of vendors (T-63..T-67).

An item that cannot be read costs no other: the answer names it, and the others are stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args
from uuid import UUID

from msgspec import Struct

from cds_service import metrics
from cds_service.errors import BadRequest, BodyTooLarge, StoreUnavailable
from cds_service.feedback.reasons import override
from cds_service.protocol.wire import encode
from cds_service.store.feedback import FeedbackRow, FeedbackTable, without_comment

ANONYMOUS = ""  # the tenant of calls without a token
MAX_ITEMS = 100
_CARD_LENGTH = 100  # Epic's card ids need not look like a UUID
_OUTCOME_LENGTH = 64
_SKEW = timedelta(days=1)
# Seconds since 1970, with milliseconds if there are three digits more: from the year 2001 on.
_EPOCH = re.compile(r"\d{10}(\d{3})?(\.\d+)?", re.ASCII)
_MILLISECONDS = 100_000_000_000
# The name of the zone is left out, because a time without a zone is taken for UTC.
_UTC = re.compile(r"\s*(?:UTC|GMT|UT)$", re.IGNORECASE)
_BLANK_BEFORE_OFFSET = re.compile(r"\s+(?=[+-]\d\d:?\d*$)", re.ASCII)

# The specification has the first two. Earlier drafts, and vendors, say more precisely how a user
# did not follow a card; that is stored as it was said, and any other word as "other".
Outcome = Literal["accepted", "overridden", "ignored", "dismissed", "rejected", "other"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_KNOWN: Mapping[str, Outcome] = {name: name for name in OUTCOMES}


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


class RefusedItem(Struct, frozen=True, kw_only=True):
    """An item that cannot be stored: its number in the call, from 1, and a fixed text."""

    item: int
    reason: str


class Received(Struct, frozen=True, kw_only=True):
    """The items of one call, and those that cannot be read."""

    items: tuple[FeedbackItem, ...]
    refused: tuple[RefusedItem, ...] = ()


def feedback_items(body: object, now: datetime) -> Received:
    """Returns the items of one call; BadRequest names what is wrong if none can be read."""
    listed = _listed(body)
    if len(listed) > MAX_ITEMS:
        raise BodyTooLarge(f"A call may carry at most {MAX_ITEMS} items of feedback.")
    items: list[FeedbackItem] = []
    refused: list[RefusedItem] = []
    for number, item in enumerate(listed, 1):
        try:
            items.append(_item(item, now))
        except BadRequest as error:
            refused.append(RefusedItem(item=number, reason=error.message))
    if not items:
        raise BadRequest(refused[0].reason)
    return Received(items=tuple(items), refused=tuple(refused))


def _listed(body: object) -> list[Any]:
    """Returns the items of a body: below `feedback`, or a list or one item without that member."""
    listed = body.get("feedback") if isinstance(body, dict) else body
    if listed is None and isinstance(body, dict) and "card" in body:
        listed = body
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or not listed:
        raise BadRequest("The member 'feedback' is missing or not a list with an item in it.")
    return listed


def _item(item: object, now: datetime) -> FeedbackItem:
    if not isinstance(item, dict):
        raise BadRequest("An item of 'feedback' is not an object.")
    card = _id(item.get("card"))
    if card is None:
        raise BadRequest("The member 'card' of a feedback is missing or not a card's uuid.")
    outcome = _outcome(item.get("outcome"))
    return FeedbackItem(
        card=card,
        outcome=outcome,
        outcome_at=_outcome_time(item.get("outcomeTimestamp"), now),
        content=_accepted(item) if outcome == "accepted" else override(item),
    )


def _outcome(value: object) -> Outcome:
    said = value.strip().casefold() if isinstance(value, str) else ""
    if not 0 < len(said) <= _OUTCOME_LENGTH:
        raise BadRequest(
            "The member 'outcome' of a feedback is neither 'accepted' nor 'overridden'."
        )
    return _KNOWN.get(said, "other")


def _id(value: object) -> str | None:
    """Returns the id of a card or suggestion, a uuid in its usual spelling; None if it is no id.

    Any printable text is an id, because not every client sends uuids.
    """
    if not isinstance(value, str) or not value.isprintable():
        return None
    text = value.strip()
    if not 0 < len(text) <= _CARD_LENGTH:
        return None
    try:
        return str(UUID(text.lower()))
    except ValueError:
        return text


def _accepted(item: Mapping[str, Any]) -> dict[str, Any]:
    given = item.get("acceptedSuggestions")
    suggestions = given if isinstance(given, list) else [given]
    ids = [_suggestion(suggestion) for suggestion in suggestions[:MAX_ITEMS]]
    known = [one for one in ids if one is not None]
    if not known:
        raise BadRequest("An accepted feedback needs 'acceptedSuggestions', each with an 'id'.")
    return {"suggestions": known}


def _suggestion(value: object) -> str | None:
    """Returns the id of a suggestion, which older clients send as a text or as its `uuid`."""
    if isinstance(value, dict):
        return _id(value.get("id", value.get("uuid")))
    return _id(value)


def _outcome_time(value: object, now: datetime) -> datetime:
    """Returns `outcomeTimestamp` in UTC; a time without a zone is taken for UTC."""
    try:
        instant = _instant(value)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        instant = instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise BadRequest(
            "The member 'outcomeTimestamp' of a feedback is missing or not an instant."
        ) from None
    if instant > now + _SKEW:
        raise BadRequest("The member 'outcomeTimestamp' of a feedback lies in the future.")
    return instant


def _instant(value: object) -> datetime:
    """Returns the time in a text, or in a number of seconds or milliseconds since 1970."""
    number = format(Decimal(value), "f") if isinstance(value, int | Decimal) else ""
    text = value.strip() if isinstance(value, str) else number
    if _EPOCH.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
    if number:
        raise ValueError
    return datetime.fromisoformat(_BLANK_BEFORE_OFFSET.sub("", _UTC.sub("", text)))


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
