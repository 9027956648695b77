"""Times of an export as moments, and since when a result was known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cds_service.records.fhir_types import Resource
from cds_service.records.times import moment, result_time
from cds_service.sodium.snapshot import Moment

LATER = datetime(9999, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
# A result that was issued so long after it was drawn was loaded from another system: no laboratory
# takes that long for what rules look at.
LOADED = timedelta(days=7)
_T = len("2026-11-21")
_SIGNS = frozenset("+-")


def when(text: str) -> Moment | None:
    """Returns the moment that a time of the export names."""
    return moment(text, None, LATER)


def instant(text: str) -> datetime | None:
    """Returns the moment of a time with clock and zone, as `when` does; None for any other text."""
    if text[:1] == "2" and text[_T : _T + 1] == "T" and (text[-1:] == "Z" or text[-6:-5] in _SIGNS):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # 24:00, a leap second, or no time at all
    known = when(text)
    return known.at if known is not None and not known.day_only else None


def first_of(*texts: str) -> Moment | None:
    """Returns the first of these times that can be read."""
    found = (when(text) for text in texts if text)
    return next((one for one in found if one is not None), None)


def end_of(known: Moment) -> datetime:
    """Returns the moment at which something that happened on a day has happened for certain."""
    return known.at + DAY - timedelta(seconds=1) if known.day_only else known.at


def since_of(issued: datetime, drawn: datetime) -> tuple[datetime, bool]:
    """Returns since when a result of these instants was known, and whether that is a guess."""
    return (drawn, True) if issued - drawn > LOADED else (issued, False)


def known_since(observation: Resource) -> tuple[datetime, bool] | None:
    """Returns since when a result was known, and whether that is a guess; None without a time.

    It is when it was issued. A result that was issued long after it was drawn was loaded from
    another system, and was known before.
    """
    issued, drawn = when(observation.issued), result_time(observation, None, LATER)
    if issued is None:
        return (end_of(drawn), True) if drawn is not None else None
    if drawn is None:
        return end_of(issued), False
    known, guessed = since_of(end_of(issued), drawn.at)
    return (end_of(drawn), True) if guessed else (known, False)
