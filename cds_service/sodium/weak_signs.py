"""Weak signs of lost volume, of which only several together count, and a weight that rises (M9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from cds_service.knowledge.names import Analyte, Sign
from cds_service.sodium.depletion import (
    bun_creatinine,
    by_trend,
    creatinine_rise,
    low_systolic,
    proves_no_loss,
    red_flag_window,
    urea_from_elsewhere,
    weight_loss,
)
from cds_service.sodium.results import Reading

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


def dry_signs(case: Case) -> tuple[str, ...]:
    """Returns the weak signs of lost volume if so many of them are there that they count."""
    signs = single_signs(case)
    return signs if len(signs) >= case.limits.weak_signs_from else ()


def single_signs(case: Case) -> tuple[str, ...]:
    """Returns each weak sign of lost volume, of which one alone says nothing."""
    window = red_flag_window(case)
    found = (
        Sign.WEIGHT_FALL if _weight_fell(case, window) else "",
        _kidney(case, window),
        _pressure(case, window),
        Sign.HEART_RATE_HIGH if _quick_heart(case, window) else "",
    )
    return tuple([sign for sign in found if sign])


def weight_rises(case: Case) -> bool:
    """Returns whether weight rose by more than it changes from day to day: no sign of loss."""
    return _share_gained(case) >= case.limits.weight_up_from


def weight_gained(case: Case) -> Decimal | None:
    """Returns by how many kg weight rose, if it is so much within days that it is water (M8)."""
    if _share_gained(case) < case.limits.weight_overload_from:
        return None
    latest, before = _weights(case)
    return None if latest is None else latest.value - min(r.value for r in before)


def _share_gained(case: Case) -> Decimal:
    """Returns by which share of itself the lowest weight of these days rose, in percent."""
    latest, before = _weights(case)
    lowest = min((r.value for r in before), default=Decimal(0))
    if latest is None or lowest <= 0:
        return Decimal(0)
    return (latest.value - lowest) / lowest * 100


def _weight_fell(case: Case, window: timedelta) -> bool:
    """Whether weight fell by that share within days, or by so many kg within a week."""
    if weight_loss(case, window) is not None:
        return True
    latest, before = _weights(case)
    highest = max((r.value for r in before), default=Decimal(0))
    if latest is None or highest <= 0:
        return False
    return (highest - latest.value) / highest * 100 >= case.limits.weight_fall_from


def _weights(case: Case) -> tuple[Reading | None, list[Reading]]:
    """Returns the newest weight, if it is of now, and those of the days before it."""
    every = [r for r in case.readings.all(Analyte.WEIGHT) if r.exact]
    return _newest(case, Analyte.WEIGHT), _before(case, every, case.limits.weight_days)


def _newest(case: Case, analyte: Analyte) -> Reading | None:
    found = [r for r in case.readings.within(analyte, red_flag_window(case)) if r.exact]
    return found[-1] if found else None


def _before(case: Case, every: Sequence[Reading], days: timedelta) -> list[Reading]:
    """Returns those of the readings, oldest first, that the last one follows within these days."""
    return [r for r in every[:-1] if r.at < every[-1].at and every[-1].at - r.at <= days]


def _pressure(case: Case, window: timedelta) -> str:
    """Returns a low pressure, or one that fell from what is usual in this patient, as a sign."""
    if low_systolic(case, window) is not None:
        return Sign.HYPOTENSION
    limits, every = case.limits, case.readings.all(Analyte.SYSTOLIC)
    recent = case.readings.within(Analyte.SYSTOLIC, window)[-int(limits.vital_readings) :]
    if not recent:
        return ""
    oldest = recent[0].at - limits.pressure_baseline_days
    usual = [r.value for r in every if oldest <= r.at < recent[0].at and r.exact]
    now = median(r.value for r in recent)
    if not usual or now > limits.pressure_fallen_to:
        return ""
    return Sign.PRESSURE_FALL if median(usual) - now >= limits.pressure_fall_from else ""


def _quick_heart(case: Case, window: timedelta) -> bool:
    """Whether the heart rate is by its trend above normal; a red flag begins higher."""
    above = case.limits.heart_rate_weak_above
    rates = case.readings.within(Analyte.HEART_RATE, window)
    return bool(by_trend(case, rates, lambda rate: rate.above(above)))


def _kidney(case: Case, window: timedelta) -> str:
    """Returns a creatinine or a urea that rose within days, as one sign: both are of the kidney."""
    limits = case.limits
    if creatinine_rise(case, window) is not None:
        return Sign.CREATININE_RISE
    if _rose(case, Analyte.CREATININE, limits.creatinine_weak_ratio_from):
        return Sign.CREATININE_RISE
    if urea_from_elsewhere(case) or proves_no_loss(case):
        return ""
    if any(ratio > limits.bun_creatinine_above for ratio in bun_creatinine(case, window)):
        return Sign.BUN_CREATININE_HIGH
    newest = _newest(case, Analyte.BUN)
    high = newest is not None and newest.at_least(limits.bun_high_from)
    return Sign.UREA_RISE if high and _rose(case, Analyte.BUN, limits.urea_ratio_from) else ""


def _rose(case: Case, analyte: Analyte, ratio: Decimal) -> bool:
    """Whether the newest value is so many times the lowest of the days before it."""
    newest = _newest(case, analyte)
    every = [r for r in case.readings.all(analyte) if r.exact]
    if newest is None:
        return False
    before = _before(case, every, case.limits.kidney_weak_days)
    return any(r.value > 0 and newest.value >= ratio * r.value for r in before)
