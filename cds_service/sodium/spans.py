"""Times out of thresholds.toml as timedeltas: a limit's name says its unit, and so does the function."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# The same few limits are asked for at every comparison; building a timedelta costs ten times a look-up.
_remembered = lru_cache(maxsize=512)


@_remembered
def minutes(number: Decimal) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=float(number))


@_remembered
def hours(number: Decimal) -> timedelta:
    """So many hours."""
    return timedelta(hours=float(number))


@_remembered
def days(number: Decimal) -> timedelta:
    """So many days of 24 hours."""
    return timedelta(days=float(number))


def ratio(part: timedelta, whole: timedelta) -> Decimal:
    """How often `whole` goes into `part`, as a decimal; `whole` is not zero."""
    return Decimal(part // MICROSECOND) / Decimal(whole // MICROSECOND)
