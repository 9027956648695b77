"""Numbers and times as cards show them. The functions are pure.

What they write is a notation too: `speech` reads it and writes it in another language.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta, timezone
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

# ---- units of time


MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ratio(part: timedelta, whole: timedelta) -> Decimal:
    """Returns how often `whole` goes into `part`; `whole` is not zero."""
    return Decimal(part // MICROSECOND) / Decimal(whole // MICROSECOND)


MINUTE = timedelta(minutes=1)
AGO_IN_HOURS = timedelta(hours=48)  # an older moment reads more easily in days
_TENTH = Decimal("0.1")
MOST_DIGITS = 12  # a longer number is no result; it is shown in powers of ten
NEAR_DAYS = {-1: "tomorrow", 0: "today", 1: "yesterday"}  # by how many days ago
# Parts of the notation that `speech` reads.
NOW_WORD = "now"
SALINE = "% saline"  # behind its strength
MIXTURE = " mixture"  # behind the name of a bag that is mixed
CORRECTED = "(glucose-corrected, measured {measured})"
LIPIDS = "(lipids: direct ISE first)"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: Decimal, edges: Collection[Decimal] = ()) -> str:
    """Returns a number with one decimal, or more if rounding would reach or cross an edge."""
    if value.is_zero():
        return "0"
    if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
        return f"{value:.3g}"
    written = f"{value:f}"
    places = len(written.partition(".")[2])
    for shorter in range(1, min(places, MOST_DIGITS)):
        rounded = value.quantize(Decimal(1).scaleb(-shorter), ROUND_HALF_UP)
        if all(_side(rounded, edge) == _side(value, edge) for edge in edges):
            return _plain(f"{rounded:f}")
    return _plain(written)


def room_left(value: Decimal) -> str:
    """Returns what is left before a limit with one decimal, which is never more than it is."""
    return number(value.quantize(_TENTH, ROUND_FLOOR))


def glucose_corrected(corrected: Decimal, measured: str, edges: Collection[Decimal] = ()) -> str:
    """Returns a sodium with what was done to it: "118 (glucose-corrected, measured 110)" (F41)."""
    return f"{number(corrected, edges)} {CORRECTED.format(measured=measured)}"


def doubted_by_lipids(measured: str) -> str:
    """Returns a sodium that very high triglycerides may make read low (F12)."""
    return f"{measured} {LIPIDS}"


def saline_of(percent: Decimal, *, mixed: bool = False) -> str:
    """Returns saline by its strength: "3% saline", or "0.47% saline mixture"."""
    return f"{number(percent, (percent,))}{SALINE}{MIXTURE if mixed else ''}"


def _side(value: Decimal, edge: Decimal) -> int:
    return (value > edge) - (value < edge)


def _plain(text: str) -> str:
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def ago(delta: timedelta) -> str:
    """Returns an age with its unit, rounded down: "12 min", "3 h", "40 d"."""
    delta = max(delta, timedelta(0))
    if delta < HOUR:
        return f"{delta // MINUTE} min"
    if delta < AGO_IN_HOURS:
        return f"{delta // HOUR} h"
    return f"{delta // DAY} d"


def lasted(delta: timedelta) -> str:
    """Returns how long a change took: in hours for four days, as 48 h part acute from chronic."""
    return f"{delta // HOUR} h" if HOUR <= delta < 4 * DAY else ago(delta)


def in_hours(delta: timedelta) -> str:
    """Returns a span in hours without its unit, at most one decimal, never zero: "20", "2.5"."""
    shortest = Decimal("0.1")
    return number(max(ratio(delta, HOUR).quantize(shortest, ROUND_HALF_UP), shortest))


def in_days(delta: timedelta) -> str:
    """Returns a span in days without its unit: "30", "0.5"."""
    return number(ratio(delta, DAY))


def when(moment: datetime, now: datetime, zone: timedelta | None, day_only: bool) -> str:
    """Returns a time as people say it: "today 08:30", "yesterday 23:10", "14 Nov 06:00".

    A day alone is "14 Nov", and stays the recorded day in every zone. `zone` is the offset of the
    client's clocks; None means that of the moment. Other years are named.
    """
    local = local_time(moment, zone, day_only)
    text = day_name(local, local_time(now, zone if zone is not None else moment.utcoffset()))
    return text if day_only else f"{text} {local:%H:%M}"


def local_time(moment: datetime, zone: timedelta | None, day_only: bool = False) -> datetime:
    """Returns a moment by the client's clocks; a day without a clock stays as it was recorded."""
    return moment if zone is None or day_only else moment.astimezone(timezone(zone))


def day_name(local: datetime, today: datetime) -> str:
    """Returns a day as people say it: "today", "yesterday", "tomorrow", "14 Nov", "14 Nov 2025"."""
    days_ago = (today.date() - local.date()).days
    if days_ago in NEAR_DAYS:
        return NEAR_DAYS[days_ago]
    day = f"{local.day} {MONTHS[local.month - 1]}"
    return day if local.year == today.year else f"{day} {local.year}"


def month_name(moment: datetime, now: datetime, zone: timedelta | None) -> str:
    """Returns a month as people say it: "Aug", or "Aug 2025" if it is not of this year."""
    local, today = local_time(moment, zone), local_time(now, zone)
    month = MONTHS[local.month - 1]
    return month if local.year == today.year else f"{month} {local.year}"


def joined(table: str, keys: Iterable[str]) -> str:
    """Returns keys of one table of words.toml as one fact, as in "symptom:coma|symptom:seizure"."""
    return "|".join(f"{table}:{key}" for key in keys)
