"""FHIR dates and instants become moments; a value without a day is dropped (B.0.1)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from msgspec.structs import replace

from cds_service.records.fhir_types import NO_PERIOD, NO_REPEAT, NO_TIMING, Resource
from cds_service.sodium.snapshot import Moment
from cds_service.terminology.remembering import remembering

_DAY = re.compile(r"(?:1[89]|2\d)\d\d-\d\d-\d\d", re.ASCII)
# EHRs and converters write "+0000", "+00" or "Z+02:00", a blank for the T, and a decimal comma.
_INSTANT = re.compile(
    r"(?P<day>(?:1[89]|2\d)\d\d-\d\d-\d\d)[Tt ]"
    r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" ?(?:(?P<utc>[Zz]|UTC|GMT)|[Zz]?(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?",
    re.ASCII,
)
_PARTIAL = re.compile(r"(?:1[89]|2\d)\d\d(?:-\d\d)?", re.ASCII)
BARE_DAY = len("2026-11-21")  # characters
_END_OF_DAY, _LEAP_SECOND = "24", "60"
_MICROSECONDS = 6  # digits of a second that a datetime holds
# The world's clocks span 26 hours: a day that has begun somewhere is at most 14 hours ahead of UTC.
_AHEAD = timedelta(hours=14)
_WHOLE_DAY = timedelta(days=1)


def moment(value: str, zone: timedelta | None, now: datetime) -> Moment | None:
    """A dateTime or instant, also in the forms that FHIR forbids and EHRs send; None without a day.

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


@remembering
def _moment(value: str, zone: timedelta | None) -> Moment | None:
    """What a dateTime says, whenever it is read. The same time is in many places of one chart."""
    if len(value) <= BARE_DAY:
        at = _parsed(f"{value}T00:00:00", zone) if _DAY.fullmatch(value) else None
        return Moment(at=at, day_only=True) if at is not None else None
    match = _INSTANT.fullmatch(value)
    at = _instant(match, zone) if match is not None else None
    if match is None or at is None:
        return None
    zoned = match["utc"] is not None or match["sign"] is not None
    return Moment(at=at, day_only=not zoned and zone is None)


def _instant(match: re.Match[str], zone: timedelta | None) -> datetime | None:
    """The instant of a match, written as ISO 8601 has it; 24:00 and :60 are the moment after."""
    hour, second = match["hour"], match["second"] or "00"
    added = timedelta(0)
    if hour == _END_OF_DAY and match["minute"] == "00" and second == "00":
        hour, added = "00", timedelta(days=1)
    elif second == _LEAP_SECOND:
        second, added = "59", timedelta(seconds=1)
    fraction = (match["fraction"] or "0")[:_MICROSECONDS]
    written = f"{match['day']}T{hour}:{match['minute']}:{second}.{fraction:0<6}"
    if match["utc"]:
        written += "+00:00"
    elif match["sign"]:
        written += f"{match['sign']}{match['hours']}:{match['minutes'] or '00'}"
    at = _parsed(written, zone)
    return _later(at, added) if at is not None and added else at


def _later(at: datetime, span: timedelta) -> datetime | None:
    """Returns a moment plus a span, or None if that is after the year 9999."""
    try:
        return at + span
    except OverflowError:
        return None


def first_day(value: str, zone: timedelta | None, now: datetime) -> datetime | None:
    """Returns the earliest moment at which something may have begun, or None if it is unreadable.

    A year or a month alone counts from its first day, so that an old problem never seems recent.
    """
    if _PARTIAL.fullmatch(value):
        value = (value + "-01-01")[: len("2026-01-01")]
    began = moment(value, zone, now)
    return began.at if began is not None else None


def result_time(observation: Resource, zone: timedelta | None, now: datetime) -> Moment | None:
    """When a specimen was taken: the first effective time that can be read, else `issued`.

    `issued` says nothing if the effective time is a year or a month that ended before it: an old
    result that is reported late would become new.
    """
    at_once = moment(observation.effective_date_time, zone, now)
    if at_once is not None:
        return at_once
    for value in _effective(observation):
        taken = moment(value, zone, now)
        if taken is not None:
            return taken
    issued = moment(observation.issued, zone, now)
    if issued is None:
        return None
    ended = _end_of_partial(observation, zone)
    return None if ended is not None and ended < issued.at else replace(issued, result_time=True)


def _effective(observation: Resource) -> tuple[str, ...]:
    """The effective times as recorded, the one to prefer first; a Period counts by its end."""
    period = observation.effective_period or NO_PERIOD
    timing = observation.effective_timing or NO_TIMING
    bounds = (timing.repeat or NO_REPEAT).bounds_period or NO_PERIOD
    events = timing.event if isinstance(timing.event, list) else [timing.event]
    latest_first = sorted((one for one in events if isinstance(one, str)), reverse=True)
    return (
        observation.effective_date_time,
        observation.effective_instant,
        period.end,
        period.start,
        *latest_first,
        bounds.end,
        bounds.start,
    )


def drawn_before(observation: Resource, zone: timedelta | None, now: datetime) -> datetime | None:
    """A moment before which a specimen without a readable time was taken for certain, if any.

    That is the end of a bare year or month, or when the result was issued or last stored.
    """
    stored = observation.meta.last_updated if observation.meta is not None else ""
    ends = [_end_of_partial(observation, zone)]
    for known in (moment(observation.issued, zone, now), moment(stored, zone, now)):
        if known is not None:
            ends.append(_later(known.at, _WHOLE_DAY) if known.day_only else known.at)
    return min((end for end in ends if end is not None), default=None)


def _end_of_partial(observation: Resource, zone: timedelta | None) -> datetime | None:
    """The end of the bare year or month that stands in place of the time; None if none does."""
    for value in _effective(observation):
        last = _last_day(value.strip())
        if last is not None:
            midnight = _parsed(f"{last.isoformat()}T00:00:00", zone)
            # A day ends up to a day later in another zone.
            return _later(midnight, 2 * _WHOLE_DAY) if midnight is not None else None
    return None


def birth_date(value: str) -> date | None:
    """A date of birth; a bare year or month is its last day, so that doubt makes no adult."""
    return _date(value) if _DAY.fullmatch(value) else _last_day(value)


def _last_day(value: str) -> date | None:
    """The last day of a bare year or month; None for anything else."""
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
