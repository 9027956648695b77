"""How fast sodium rises now, by the samples of the last day (F27, F31)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cds_service.sodium.results import Sample

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

HOUR = timedelta(hours=1)


def pace_per_hour(case: Case) -> Decimal | None:
    """Returns the steepest measured rise to the newest sodium, mmol/L in an hour.

    It is None without a rise that is more than the spread of two measurements, and if the newest
    sodium is too old or in doubt.
    """
    latest, limits = case.rate.latest, case.limits
    if latest is None or not latest.exact or case.rate.jump is not None or case.rate.by_glucose:
        return None
    if case.snapshot.now - latest.at > limits.rate_now_hours:
        return None
    return max((_pace(case, start, latest) for start in _starts(case, latest)), default=None)


def _starts(case: Case, latest: Sample) -> list[Sample]:
    """Returns the samples of the day before the newest, by the same method, far enough below it."""
    limits, now = case.limits, _value(case, latest)
    return [
        sample
        for sample in case.series.samples
        if sample.exact
        and sample.method == latest.method
        and timedelta(0) < latest.at - sample.at <= limits.rate_window_hours
        and now - _value(case, sample) >= limits.rising_from
    ]


def _value(case: Case, sample: Sample) -> Decimal:
    return case.corrected.get(sample, sample.value)


def _pace(case: Case, start: Sample, end: Sample) -> Decimal:
    """Returns the rise between two samples per hour."""
    hours = Decimal((end.at - start.at) / HOUR)
    return (_value(case, end) - _value(case, start)) / hours
