"""FHIR dates and instants as moments; what has no day is no time (B.0.1)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from msgspec.structs import replace

from cds_service.records.fhir_types import NO_PERIOD, Resource
from cds_service.sodium.snapshot import Moment

_DAY = re.compile(r"(?:1[89]|2\d)\d\d-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"((?:1[89]|2\d)\d\d-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_PARTIAL = re.compile(r"(?:1[89]|2\d)\d\d(?:-\d\d)?", re.ASCII)
_DAY_LENGTH = len("2026-11-21")
# The world's clocks span 26 hours: a day that has begun somewhere is at most 14 hours ahead of UTC.
_AHEAD = timedelta(hours=14)
_REMEMBERED = 2048


def moment(value: str, zone: timedelta | None, now: datetime) -> Moment | None:
    """A dateTime or instant; None without a day.

    A day without a clock is `day_only`, at midnight in the client's zone (UTC if none is known).
    A clock without a zone is read in the client's zone; if none is known it is good to a day only,
    so that no rate of change rests on a guess. "Today" never becomes the future.
    """
    value = value.strip()
    if not value:
        return None
    at = _moment(value, zone)
    if at is None or not at.day_only:
        return at
    return replace(at, at=now) if now < at.at <= now + _AHEAD else at


@lru_cache(maxsize=_REMEMBERED)
def _moment(value: str, zone: timedelta | None) -> Moment | None:
    """What a dateTime says, whenever it is read. The same time is in many places of one chart."""
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
    began = moment(value, zone, now)
    return began.at if began is not None else None


def result_time(observation: Resource, zone: timedelta | None, now: datetime) -> Moment | None:
    """When a specimen was taken: the effective time or the end of a Period, else `issued`."""
    taken = (
        observation.effective_date_time.strip()
        or observation.effective_instant.strip()
        or (observation.effective_period or NO_PERIOD).end.strip()
    )
    if taken:
        return moment(taken, zone, now)
    issued = moment(observation.issued, zone, now)
    return replace(issued, result_time=True) if issued is not None else None


def birth_date(value: str) -> date | None:
    """A date of birth; a bare year or month is its last day, so that doubt makes no adult."""
    if _DAY.fullmatch(value):
        return _date(value)
    if not _PARTIAL.fullmatch(value):
        return None
    year, _, month = value.partition("-")
    if not month:
        return _date(f"{year}-12-31")
    start = _date(f"{value}-01")
    if start is None:
        return None
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
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC if zone is None else timezone(zone))
    return at
