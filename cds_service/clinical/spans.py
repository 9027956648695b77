"""Times out of thresholds.toml as timedeltas: a limit's name says its unit, and so does the function."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def minutes(number: Decimal) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=float(number))


def hours(number: Decimal) -> timedelta:
    """So many hours."""
    return timedelta(hours=float(number))


def days(number: Decimal) -> timedelta:
    """So many days of 24 hours."""
    return timedelta(days=float(number))


def ratio(part: timedelta, whole: timedelta) -> Decimal:
    """How often `whole` goes into `part`, as a decimal; `whole` is not zero."""
    return Decimal(part // MICROSECOND) / Decimal(whole // MICROSECOND)
