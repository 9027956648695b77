"""FHIR dates and instants as moments; what has no day is no time (B.0.1)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from msgspec.structs import replace

from cds_service.records.elements import Element, text
from cds_service.records.forms import Period, form
from cds_service.sodium.snapshot import Moment

_DAY = re.compile(r"(?:1[89]|2\d)\d\d-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"((?:1[89]|2\d)\d\d-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_PARTIAL = re.compile(r"(?:1[89]|2\d)\d\d(?:-\d\d)?", re.ASCII)
# The world's clocks span 26 hours: a day that has begun somewhere is at most 14 hours ahead of UTC.
_DAY_LENGTH = len("2026-11-21")
_AHEAD = timedelta(hours=14)
_REMEMBERED, _LONGEST_REMEMBERED = 2048, 40


def moment(value: str, zone: timedelta | None, now: datetime) -> Moment | None:
    """A dateTime or instant; None without a day.

    A day without a clock is `day_only`, at its midnight in the client's zone (UTC where none is known).
    A clock without a zone is read in the client's zone; where none is known it is good to a day only,
    so that no rate of change rests on a guess. "Today" never becomes the future.
    """
    if not value:
        return None
    found = (
        _said(value, zone) if len(value) <= _LONGEST_REMEMBERED else _said.__wrapped__(value, zone)
    )
    if found is None or not found.day_only:
        return found
    return replace(found, at=now) if now < found.at <= now + _AHEAD else found


@lru_cache(maxsize=_REMEMBERED)
def _said(value: str, zone: timedelta | None) -> Moment | None:
    """What a dateTime says whenever it is read. One time stands in many places of one chart."""
    if len(value) <= _DAY_LENGTH:
        at = _parsed(f"{value}T00:00:00", zone) if _DAY.fullmatch(value) else None
        return Moment(at=at, day_only=True) if at is not None else None
    match = _INSTANT.fullmatch(value)
    at = _parsed(value, zone) if match is not None else None
    if match is None or at is None:
        return None
    return Moment(at=at, day_only=match[2] is None and zone is None)


def first_day(value: str, zone: timedelta | None, now: datetime) -> datetime | None:
    """When something began, at the earliest: a bare year or month counts from its first day.

    Doubt about an onset thus never makes an old problem recent.
    """
    if _PARTIAL.fullmatch(value):
        value = (value + "-01-01")[: len("2026-01-01")]
    found = moment(value, zone, now)
    return found.at if found is not None else None


def result_time(observation: Element, zone: timedelta | None, now: datetime) -> Moment | None:
    """When a specimen was taken: effective dateTime or instant, the end of a Period, else `issued`."""
    value = text(observation, "effectiveDateTime") or text(observation, "effectiveInstant")
    if not value:
        period = form(Period, observation, "effectivePeriod")
        value = period.end.strip() if period is not None else ""
    if value:
        return moment(value, zone, now)
    issued = moment(text(observation, "issued"), zone, now)
    return replace(issued, result_time=True) if issued is not None else None


def birth_date(value: str) -> date | None:
    """A date of birth; a bare year or month counts as its last day, so that nobody is made an adult."""
    if _DAY.fullmatch(value):
        return _date(value)
    if not _PARTIAL.fullmatch(value):
        return None
    year, _, month = value.partition("-")
    if not month:
        return _date(f"{year}-12-31")
    start = _date(f"{value}-01")
    return _last_day(start) if start is not None else None


def _last_day(start: date) -> date:
    following = date(start.year + start.month // 12, start.month % 12 + 1, 1)
    return following - timedelta(days=1)


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _parsed(value: str, zone: timedelta | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (
        at if at.tzinfo is not None else at.replace(tzinfo=UTC if zone is None else timezone(zone))
    )
