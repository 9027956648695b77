"""How much further may sodium rise, and until when? Cards and plot take the answer from here."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.engine.finding import Fact, Line
from cds_service.engine.rule import line
from cds_service.engine.wording import number
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import Ceiling
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import (
    at,
    emergency,
    inpatient,
    osmolality_normal,
    rising_too_fast,
)


class Room(Struct, frozen=True, kw_only=True):
    """How far sodium may still rise: a number, or nothing."""

    left: Decimal | None  # from the newest value to the ceiling; None: it is not to rise
    ceiling: Ceiling | None  # None: no value and no time can be named
    past: Ceiling | None = None  # what was passed by a rise whose day is over


def room_of(case: Case) -> Room | None:
    """Returns the room for a rise; None if no limit of hours is to be told (F2, F32, F37, M6 a)."""
    rate = case.rate
    if not (case.sodium.low or rate.rule) or rate.may_be_acute or _is_no_matter_of_hours(case):
        return None
    if rising_too_fast(case):
        return _after_the_rise(case)
    if _lowered_on_purpose(case):
        return Room(left=None, ceiling=None)
    if rate.ceiling is None or rate.latest is None:
        return None
    left = rate.ceiling.value - rate.latest.value
    return Room(left=left if left >= 0 else None, ceiling=rate.ceiling)


def _is_no_matter_of_hours(case: Case) -> bool:
    """Returns whether sodium is not believed (M6 a), or mild and steady in the clinic (F37)."""
    if case.rate.rule or case.sodium.acute or emergency(case):
        return False
    mild_outside = case.sodium.band is Band.MILD and not inpatient(case)
    return osmolality_normal(case) or mild_outside


def _lowered_on_purpose(case: Case) -> bool:
    """Returns whether sodium fell after too fast a rise and is not to rise again (F4)."""
    lowered = case.relowered and case.rate.episode is not None
    return lowered and case.sodium.acute is None and not emergency(case)


def _after_the_rise(case: Case) -> Room:
    """Returns that nothing is left: until the day of the rise ends, and for now if it has ended.

    A later, higher ceiling would read as leave to go on, unless sodium is above that one too.
    """
    rate, pair, limits = case.rate, case.rate.worst, case.limits
    if pair is None:
        return Room(left=None, ceiling=None)
    two_days = pair.window == "two-days"
    window = limits.rate_long_window_hours if two_days else limits.rate_window_hours
    since = pair.base_at or pair.start.at
    until = since + window
    rose_to = Ceiling(value=pair.base + rate.limit, since=since, until=until, limit=rate.limit)
    if until > case.snapshot.now:
        return Room(left=None, ceiling=rose_to)
    latest, ceiling = rate.latest, rate.ceiling
    passed = latest is not None and ceiling is not None and latest.value > ceiling.value
    return Room(left=None, ceiling=ceiling if passed else None, past=rose_to)


def day_limit(case: Case) -> Decimal:
    """Returns how far sodium may rise in these 24 h: the same on every card of one record (F31)."""
    room = room_of(case)
    if room is not None and room.ceiling is not None and _is_of_a_day(case, room.ceiling):
        return room.ceiling.limit
    return case.rate.day_limit or case.limits.rate_limit_day


def rise_limit(case: Case) -> Decimal:
    """Returns the limit of 24 h by which the rise is judged, never that of 48 h."""
    worst = case.rate.worst
    if worst is not None and worst.window == "two-days":
        return day_limit(case)
    return case.rate.limit or case.limits.rate_limit_day


def limit_line(case: Case) -> Line:
    """Returns the ceiling of these 24 h in figures with its time, else the limit (N1, F32)."""
    room, profile = room_of(case), case.limits.profile
    ceiling = room.ceiling if room is not None else None
    if room is None or ceiling is None or not _is_of_a_day(case, ceiling):
        return plain_limit(case)
    return line(
        f"ceiling-passed-{profile}" if room.left is None else f"ceiling-{profile}",
        ceiling=ceiling.value,
        until=at(case, ceiling.until),
        limit=ceiling.limit,
        keep=True,
    )


def _is_of_a_day(case: Case, ceiling: Ceiling) -> bool:
    """Returns whether the ceiling is that of 24 h, as its words say, and not that of two days."""
    return ceiling.until - ceiling.since == case.limits.rate_window_hours


def plain_limit(case: Case) -> Line:
    """Returns the limit of the profile without a value or a time of this patient."""
    day, first = case.limits.rate_limit_day, case.limits.rate_limit_first_day
    key = f"limit-{case.limits.profile}"
    return line(key, limit=day) if day == first else line(key, limit=day, first=first)


def hold_line(case: Case, key: str, *, what: str = "", keep: bool = True) -> Line:
    """Returns what holds sodium, with the value that it must not pass and until when."""
    room = room_of(case)
    facts: dict[str, Fact] = {"what": what} if what else {}
    if room is not None and room.ceiling is not None:
        key, facts["ceiling"] = f"{key}-until", number(room.ceiling.value)
        facts["until"] = at(case, room.ceiling.until)
    return Line(key, facts, keep=keep)
