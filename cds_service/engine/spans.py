"""Units of time, and how often one span goes into another."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ratio(part: timedelta, whole: timedelta) -> Decimal:
    """Returns how often `whole` goes into `part`; `whole` is not zero."""
    return Decimal(part // MICROSECOND) / Decimal(whole // MICROSECOND)
