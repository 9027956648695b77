"""Signs that a patient may be short of volume: with any of them fluid restriction is no action (M5, M9)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import Line
from cds_service.engine.wording import number
from cds_service.sodium.exposure import taken_within
from cds_service.sodium.readings import measurable
from cds_service.sodium.record import Record, begun
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import bun_creatinine


def red_flags(record: Record) -> Iterator[Line]:
    """Each red flag of M9 within 24 h (inpatient) or 7 d (outpatient)."""
    window = _window(record)
    yield from _circulation(record, window)
    yield from _kidney(record, window)
    yield from _weight(record, window)
    yield from _volume_given(record, window)
    yield from _codes(record, window)
    yield from _glucose(record)


def harmful_drugs(record: Record) -> tuple[str, ...]:
    """Vaptans taken within the last day or drafted now: no restriction beside them (label, N9)."""
    taken = taken_within(record, record.sets.vaptans, record.limits.vaptan_hours)
    drafted = (
        d.name for o in record.snapshot.drafts for d in o.drugs if d.cls in record.sets.vaptans
    )
    return tuple(dict.fromkeys((*taken, *drafted)))


def seen(record: Record, analyte: str) -> bool:
    """Whether any value of the red-flag window could be looked at."""
    return bool(record.readings.within(analyte, _window(record)))


def _window(record: Record) -> timedelta:
    if record.snapshot.setting == "inpatient":
        return record.limits.red_flag_inpatient_hours
    return record.limits.red_flag_outpatient_days


def _circulation(record: Record, window: timedelta) -> Iterator[Line]:
    limits = record.limits
    cirrhosis = bool(record.problems.active(record.sets.cirrhosis))
    lowest = limits.systolic_cirrhosis_below if cirrhosis else limits.systolic_below
    low = [r.value for r in record.readings.within("systolic", window) if r.below(lowest)]
    if low:
        yield Line("withheld-systolic-low", {"value": number(min(low))})
    fast = [
        r.value
        for r in record.readings.within("heart-rate", window)
        if r.above(limits.heart_rate_above)
    ]
    if fast:
        yield Line("withheld-heart-rate-high", {"value": number(max(fast))})


def _kidney(record: Record, window: timedelta) -> Iterator[Line]:
    rise = _creatinine_rise(record, window)
    if rise:
        yield Line("withheld-creatinine-rise", {"from": number(rise[0]), "value": number(rise[1])})
    high = [r for r in bun_creatinine(record, window) if r > record.limits.bun_creatinine_above]
    if high:
        yield Line("withheld-bun-creatinine", {"value": number(max(high))})


def _creatinine_rise(record: Record, window: timedelta) -> tuple[Decimal, Decimal] | None:
    """From and to of the largest rise: by so much in 48 h, or by that factor over the 90-day minimum."""
    limits = record.limits
    every = [r for r in record.readings.all("creatinine") if r.exact]
    found: list[tuple[Decimal, Decimal]] = []
    for end in (r for r in record.readings.within("creatinine", window) if r.exact):
        for start in (r for r in every if r.at < end.at):
            apart, rise = end.at - start.at, end.value - start.value
            quick = apart <= limits.creatinine_rise_hours and rise >= limits.creatinine_rise_from
            many_times = start.value > 0 and end.value >= limits.creatinine_ratio_from * start.value
            if quick or (many_times and apart <= limits.creatinine_baseline_days):
                found.append((start.value, end.value))
    return max(found, key=lambda pair: pair[1] - pair[0], default=None)


def _weight(record: Record, window: timedelta) -> Iterator[Line]:
    limits = record.limits
    every = [r for r in record.readings.all("weight") if r.exact]
    lost = [
        start.value - end.value
        for end in record.readings.within("weight", window)
        for start in every
        if end.exact and timedelta(0) < end.at - start.at <= limits.weight_loss_days
    ]
    largest = max(lost, default=Decimal(0))
    if largest >= limits.weight_loss_from:
        yield Line("withheld-weight-loss", {"value": number(largest)})


def _volume_given(record: Record, window: timedelta) -> Iterator[Line]:
    """Isotonic fluid, ordered or drafted; an order without a volume may be continuous, and counts."""
    orders = [o for o in record.snapshot.exposures if _isotonic(o) and _running(record, o, window)]
    orders += [o for o in record.snapshot.drafts if _isotonic(o)]
    volumes = [o.saline.volume_ml if o.saline else o.balanced_volume_ml for o in orders]
    known = [v for v in volumes if v is not None and measurable(v)]
    if len(known) < len(volumes) or sum(known) >= record.limits.isotonic_ml_from:
        yield Line("withheld-isotonic-fluid")


def _isotonic(order: Order) -> bool:
    saline = order.saline is not None and order.saline.kind == "isotonic"
    return (saline or order.balanced) and order.route != "local"


def _running(record: Record, order: Order, window: timedelta) -> bool:
    """Active, or finished within the window."""
    sets = record.sets
    if order.intent not in sets.given_intents:
        return False
    if record.is_active(order):
        return True
    if order.status not in sets.stopped_statuses:
        return False
    last = order.end or begun(order)
    return last is not None and record.snapshot.now - last <= window


def _codes(record: Record, window: timedelta) -> Iterator[Line]:
    """Recorded within the window, of this encounter, or without a date: nobody can tell that it is over."""
    flags = record.sets.red_flags
    for concept in record.problems.current(flags, window) or record.problems.undated(flags):
        yield Line("withheld-red-flag", {"evidence": f"evidence:{concept}"})


def _glucose(record: Record) -> Iterator[Line]:
    """M5: osmotic diuresis."""
    limits = record.limits
    window = limits.restriction_glucose_hours
    high = any(
        r.at_least(limits.restriction_glucose_from)
        for r in record.readings.within("glucose", window)
    )
    if high or record.problems.current(record.sets.hyperglycemic_crisis, window):
        yield Line("withheld-glucose-high")
