"""Signs of volume depletion in vital signs, weight and laboratory (M9, F16, F40, F52)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from cds_service.knowledge.names import Analyte, Problem, Sign
from cds_service.sodium.exposure import given_before, maybe_taken, taken_within
from cds_service.sodium.results import Reading, paired

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


def red_flag_window(case: Case) -> timedelta:
    """Returns how far back a red flag is looked for (M9)."""
    if case.snapshot.setting == "inpatient":
        return case.limits.red_flag_inpatient_hours
    return case.limits.red_flag_outpatient_days


# ---- the circulation


def low_systolic(case: Case, window: timedelta) -> Decimal | None:
    """Returns a systolic pressure that is low by its trend; in cirrhosis a lower limit applies."""
    limits, lowest = case.limits, case.limits.systolic_below
    if case.problems.active(case.sets.cirrhosis):
        lowest = limits.systolic_cirrhosis_below
    return _systolic_below(case, window, lowest)


def shock_systolic(case: Case, window: timedelta) -> Decimal | None:
    """Returns a systolic pressure of shock by its trend (F56)."""
    return _systolic_below(case, window, case.limits.systolic_shock_below)


def failing_circulation(case: Case) -> tuple[str, ...]:
    """Returns recorded shock, sepsis with a low pressure, or a pressure of shock (F56)."""
    window, problems = red_flag_window(case), case.problems
    shock = problems.current(case.sets.failing_circulation, window)
    if shock:
        return shock[:1]
    low = problems.has_current(Problem.HYPOTENSION, window)
    low = low or low_systolic(case, window) is not None
    if low and problems.has_current(Problem.SEPSIS, window):
        return (Problem.SEPSIS, Sign.HYPOTENSION)
    return (Sign.HYPOTENSION,) if shock_systolic(case, window) is not None else ()


def _systolic_below(case: Case, window: timedelta, lowest: Decimal) -> Decimal | None:
    pressures = case.readings.within(Analyte.SYSTOLIC, window)
    low = by_trend(case, pressures, lambda reading: reading.below(lowest))
    return min(low, default=None)


def fast_heart(case: Case, window: timedelta) -> Decimal | None:
    """Returns a heart rate that is high by its trend."""
    highest = case.limits.heart_rate_above
    rates = case.readings.within(Analyte.HEART_RATE, window)
    return max(by_trend(case, rates, lambda rate: rate.above(highest)), default=None)


def by_trend(
    case: Case, readings: Sequence[Reading], is_off: Callable[[Reading], bool]
) -> list[Decimal]:
    """Returns the median of the last readings if it is off, and any two off in a row (F52).

    A single reading of a monitor that is off is left out; the only reading there is counts.
    """
    recent = readings[-int(case.limits.vital_readings) :]
    off: list[Decimal] = []
    if recent:
        middle = median(reading.value for reading in recent)
        bound = recent[0].comparator if len(recent) == 1 else ""
        if is_off(Reading(value=middle, at=recent[-1].at, comparator=bound)):
            off.append(middle)
    for earlier, later in pairwise(readings):
        if is_off(earlier) and is_off(later):
            off += [earlier.value, later.value]
    return off


# ---- kidney and weight


def creatinine_rise(case: Case, window: timedelta) -> tuple[Reading, Reading] | None:
    """Returns the largest rise of creatinine that is a red flag: by so much, or by a factor."""
    rises = [
        (start, end)
        for start, end in _changes(case, Analyte.CREATININE, window)
        if _creatinine_rose(case, start, end)
    ]
    return max(rises, key=lambda rise: rise[1].value - rise[0].value, default=None)


def _creatinine_rose(case: Case, start: Reading, end: Reading) -> bool:
    """Whether it rose by so much in 48 h, or by that factor in 90 days."""
    limits, apart = case.limits, end.at - start.at
    rise = end.value - start.value
    if apart <= limits.creatinine_rise_hours and rise >= limits.creatinine_rise_from:
        return True
    many_times = start.value > 0 and end.value >= limits.creatinine_ratio_from * start.value
    return many_times and apart <= limits.creatinine_baseline_days


def weight_loss(case: Case, window: timedelta) -> Decimal | None:
    """Returns the largest loss of weight within a week, in kg, if it is a red flag."""
    limits = case.limits
    lost = [
        start.value - end.value
        for start, end in _changes(case, Analyte.WEIGHT, window)
        if end.at - start.at <= limits.weight_loss_days
    ]
    largest = max(lost, default=Decimal(0))
    return largest if largest >= limits.weight_loss_from else None


def _changes(case: Case, analyte: Analyte, window: timedelta) -> Sequence[tuple[Reading, Reading]]:
    """Returns each exact value of the window after each earlier one, as pairs of start and end."""
    every = [reading for reading in case.readings.all(analyte) if reading.exact]
    ends = [reading for reading in case.readings.within(analyte, window) if reading.exact]
    return [(start, end) for end in ends for start in every if start.at < end.at]


def bun_creatinine(case: Case, window: timedelta) -> tuple[Decimal, ...]:
    """Returns BUN:creatinine (mg/mg) of each high urea with a creatinine near it, oldest first.

    With a normal urea the ratio is high because creatinine is low, not for lack of fluid (F40).
    """
    near = case.limits.bun_creatinine_pair_hours
    ratios = []
    for urea in case.readings.within(Analyte.BUN, window):
        creatinine = paired(urea, case.readings.all(Analyte.CREATININE), near)
        if creatinine is None or creatinine.value <= 0:
            continue
        if urea.at_least(case.limits.bun_high_from):
            ratios.append(urea.value / creatinine.value)
    return tuple(ratios)


def on_diuretic(case: Case) -> bool:
    """Whether a diuretic may act, under which the kidney sheds salt."""
    return bool(taken_within(case, case.sets.diuretics, case.limits.diuretic_washout_hours))


def sheds_by_drug(case: Case) -> bool:
    """Whether a drug may make the kidney shed salt, so that its urine is no proof of SIADH (F6)."""
    losing, window = case.sets.salt_losing_drugs, case.limits.diuretic_washout_hours
    if on_diuretic(case) or maybe_taken(case, lambda drug, _: drug.name in losing, window):
        return True
    return any(drug in losing for drug, _ in given_before(case))


def urea_explained(case: Case) -> bool:
    """Whether a medicine or bleeding explains a high urea, or urine refutes lack of fluid (F40).

    A diuretic makes the sodium of the urine say nothing.
    """
    return urea_from_elsewhere(case) or (_sheds_sodium(case) and not on_diuretic(case))


def urea_from_elsewhere(case: Case) -> bool:
    """Whether a medicine or bleeding explains a high urea."""
    bleeds = case.problems.active(case.sets.bleeding_gut)
    return bool(bleeds or case.exposures.of(*case.sets.raises_urea.members))


def proves_no_loss(case: Case) -> bool:
    """Whether the kidney sheds sodium by itself, which it does not if volume lacks (F6, F40)."""
    return _sheds_sodium(case) and not sheds_by_drug(case)


def _sheds_sodium(case: Case) -> bool:
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_SODIUM, limits.urine_labs_hours)
    return urine is not None and urine.at_least(limits.urine_sodium_from)
