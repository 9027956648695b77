"""How much further may sodium rise, and until when? Cards and plot take the answer from here."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from cds_service.engine.finding import Fact, Line
from cds_service.engine.rule import line
from cds_service.engine.wording import glucose_corrected, number, room_left
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import Ceiling, RatePair, first_day_limit
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import (
    at,
    emergency,
    inpatient,
    likely_acute,
    osmolality_normal,
    rising_too_fast,
)

NoLimit = Literal["", "acute", "steady", "doubted", "unconfirmed", "not_measured"]


class Room(Struct, frozen=True, kw_only=True):
    """How far sodium may still rise and until when, or why no limit of hours is under way."""

    left: Decimal | None = None  # from the newest value to the ceiling; None: it is not to rise
    ceiling: Ceiling | None = None  # None: no value and no time can be named
    past: Ceiling | None = None  # what was passed by a rise whose time is over
    over: Decimal = Decimal(0)  # how far sodium is above the ceiling
    of_a_day: bool = True  # the ceiling is that of 24 h, as its words say
    kept: bool = False  # the ceiling is the value that sodium has: it was lowered on purpose
    no_limit: NoLimit = ""  # why none is under way; "": one is, or sodium is not to rise


def room_of(case: Case) -> Room | None:
    """Returns the room for a rise; None if sodium is not low and did not rise too fast."""
    rate = case.rate
    if not (case.sodium.low or rate.rule):
        return None
    no_limit = _no_limit(case)
    if no_limit:
        return Room(no_limit=no_limit)
    if rising_too_fast(case):
        return _after_the_rise(case)
    if _lowered_on_purpose(case):
        return _kept_where_it_is(case)
    ceiling = rate.ceiling
    if ceiling is None:
        return Room(no_limit="unconfirmed" if rate.unconfirmed else "not_measured")
    left = ceiling.value - rate.present
    if left >= 0:
        return Room(left=left, ceiling=ceiling)
    return Room(ceiling=ceiling, over=-left)


def limit_reached(case: Case) -> bool:
    """Returns whether a rise has come to its limit without passing it, so that no room is left."""
    room, worst = room_of(case), case.rate.worst
    if room is None or worst is None or room.left is None or case.rate.rule != "RATE-NEAR":
        return False
    return room.left <= 0 and worst.rise >= case.rate.limit


def rise_stands(case: Case) -> bool:
    """Returns whether a rise is of now, believed and not wanted (F22, F31).

    After an acute fall a rise is wanted, a jump is repeated first, and what was lowered again is
    no rise of now.
    """
    rate = case.rate
    return not (rate.may_be_acute or rate.variant in ("was", "jump") or rate.jump is not None)


def _no_limit(case: Case) -> NoLimit:
    """Returns why no limit of hours is under way (F2, F37, M6 a); "" if one may be."""
    if case.rate.may_be_acute or (likely_acute(case) and not rising_too_fast(case)):
        return "acute"
    if case.rate.rule or case.sodium.acute or emergency(case) or _lowered_on_purpose(case):
        return ""
    if osmolality_normal(case):
        return "doubted"
    return "steady" if case.sodium.band is Band.MILD and not inpatient(case) else ""


def _lowered_on_purpose(case: Case) -> bool:
    """Returns whether sodium fell after too fast a rise and is not to rise again (F4)."""
    lowered = case.relowered and case.rate.episode is not None
    return lowered and case.sodium.acute is None and not emergency(case)


def _kept_where_it_is(case: Case) -> Room:
    """Returns that sodium is not to rise above its newest value in the 24 h after it (F4)."""
    latest, window = case.rate.latest, case.limits.rate_window_hours
    if latest is None or latest.at + window <= case.snapshot.now:
        return Room()
    until = latest.at + window
    kept = Ceiling(
        value=case.rate.present,
        since=latest.at,
        until=until,
        limit=Decimal(0),
        measured=_measured(case, case.rate.present),
    )
    return Room(ceiling=kept, of_a_day=False, kept=True)


def _after_the_rise(case: Case) -> Room:
    """Returns that nothing is left until the rise is again one that each day allows.

    A later, higher ceiling would read as leave to go on. If that time is over too, the next sodium
    decides.
    """
    rate, pair, limits = case.rate, case.rate.worst, case.limits
    if pair is None:
        return Room()
    two_days = pair.window == "two-days"
    window = limits.rate_long_window_hours if two_days else limits.rate_window_hours
    latest = rate.latest or pair.end
    value = pair.end_value if latest == pair.end else rate.present
    passed = _passed(case, pair, value, window)
    was = rate.variant == "was"
    over = Decimal(0) if was else max(value - passed.value, Decimal(0))
    if passed.until > case.snapshot.now:
        return Room(ceiling=passed, over=over, of_a_day=not two_days)
    if was:
        return _kept_where_it_is(case)
    return Room(past=passed, over=over)


def _passed(case: Case, pair: RatePair, value: Decimal, window: timedelta) -> Ceiling:
    """Returns what sodium was not to pass by now, and until when nothing is left.

    Each window since the base allows the limit once: its full ones are counted, the first always.
    """
    limit = case.rate.limit or case.limits.rate_limit_day
    since = pair.base_at or pair.start.at
    full = max((case.snapshot.now - since) // window, 1)
    begun = since + (full - 1) * window
    ends = since + full * window
    # When the limit of each window, added up, reaches the value that sodium has.
    paid = since + window * float((value - pair.base) / limit)
    until = max(ends, min(paid, ends + window))
    ceiling = pair.base + full * limit
    return Ceiling(
        value=ceiling,
        since=begun,
        until=_whole_minute(until),
        limit=limit,
        measured=_measured(case, ceiling),
    )


def _measured(case: Case, ceiling: Decimal) -> Decimal | None:
    """Returns what is measured at a corrected ceiling while glucose is as high as it is now."""
    shift = case.rate.shift
    return ceiling - shift if shift else None


def ceiling_fact(ceiling: Ceiling) -> str:
    """Returns a ceiling as cards write it, with what was done to it under a high glucose (F41)."""
    if ceiling.measured is None:
        return number(ceiling.value)
    return glucose_corrected(ceiling.value, number(ceiling.measured))


def _whole_minute(at: datetime) -> datetime:
    """Returns the full minute that is not before this moment."""
    rest = timedelta(seconds=at.second, microseconds=at.microsecond)
    return at if not rest else at - rest + timedelta(minutes=1)


def day_limit(case: Case) -> Decimal:
    """Returns how far sodium may rise in these 24 h: the same on every card of one record (F31)."""
    room = room_of(case)
    if room is not None and room.ceiling is not None and room.of_a_day:
        return room.ceiling.limit
    return case.rate.day_limit or case.limits.rate_limit_day


def rise_limit(case: Case) -> Decimal:
    """Returns the limit of 24 h by which the rise is judged, never that of 48 h."""
    worst = case.rate.worst
    if worst is not None and worst.window == "two-days":
        return day_limit(case)
    return case.rate.limit or case.limits.rate_limit_day


def passed_limit(case: Case) -> tuple[str, Decimal]:
    """Returns the limit that the worst rise is judged by, with what words about it end in."""
    worst = case.rate.worst
    window = worst.window if worst is not None else "day"
    limit = case.rate.limit or case.limits.rate_limit_day
    return "" if window == "day" else f"-{window}", limit


def limit_line(case: Case) -> Line:
    """Returns the ceiling of these 24 h in figures with its time, else the limit (N1, F32)."""
    room, profile = room_of(case), _whose_limit(case)
    if room is None or room.ceiling is None:
        return plain_limit(case)
    value, limit = ceiling_fact(room.ceiling), room.ceiling.limit
    until = at(case, room.ceiling.until)
    if room.kept:
        return line("ceiling-kept", ceiling=value, until=until, keep=True)
    if not room.of_a_day:
        return plain_limit(case)
    if room.left is not None:
        key, left = f"ceiling-{profile}", room_left(room.left)
        return line(key, ceiling=value, until=until, limit=limit, left=left, keep=True)
    if not room.over:
        return line(f"ceiling-none-{profile}", ceiling=value, until=until, limit=limit, keep=True)
    return line(
        f"ceiling-passed-{profile}",
        ceiling=value,
        until=until,
        limit=limit,
        over=room.over,
        keep=True,
    )


def plain_limit(case: Case) -> Line:
    """Returns the limit of the profile without a value or a time of this patient."""
    day, first = case.limits.rate_limit_day, first_day_limit(case)
    key = f"limit-{_whose_limit(case)}"
    return line(key, limit=day) if day == first else line(key, limit=day, first=first)


def _whose_limit(case: Case) -> str:
    """Returns the profile; at high risk the European first day has the limit of others (M10 d)."""
    lower = first_day_limit(case) < case.limits.rate_limit_first_day
    return f"{case.limits.profile}-risk" if lower else case.limits.profile


def hold_line(case: Case, key: str, *, what: str = "", keep: bool = True) -> Line:
    """Returns what holds sodium, with the value that it must not pass and until when.

    How far it is above that value is told; if no time can be named, the next sodium is.
    """
    room = room_of(case)
    facts: dict[str, Fact] = {"what": what} if what else {}
    if room is None or room.no_limit:
        return Line(key, facts, keep=keep)
    if room.ceiling is None:
        return Line(f"{key}-next", facts, keep=keep)
    facts["ceiling"] = ceiling_fact(room.ceiling)
    facts["until"] = at(case, room.ceiling.until)
    if not room.over:
        return Line(f"{key}-until", facts, keep=keep)
    return Line(f"{key}-over", {**facts, "over": number(room.over)}, keep=keep)
