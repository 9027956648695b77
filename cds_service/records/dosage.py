"""How much, how often and for how long an order is to be given, where that can be worked out exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from cds_service.records.amounts import amount, days, ml_per_day, times_a_day
from cds_service.records.elements import MAX_ITEMS, Element, codes, concept_in, concepts_in, exact
from cds_service.records.forms import (
    NO_REPEAT,
    NO_TIMING,
    NOTHING,
    Dispense,
    Instruction,
    Quantity,
    Repeat,
    Timing,
    filled,
    instructions,
)
from cds_service.records.times import moment
from cds_service.terminology.match import Coded
from cds_service.terminology.vocabulary import CodeLists

_DAY = timedelta(days=1)


class Dosage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one order says of dose and time; None where it does not say, or not exactly."""

    start: datetime | None = None
    end: datetime | None = None
    duration_days: Decimal | None = None
    daily_dose_mg: Decimal | None = None
    volume_ml: Decimal | None = None
    single_dose: bool = False
    routes: tuple[Coded, ...] = ()
    words: str = ""


def dosage(
    order: Element, supply: Dispense, reading: CodeLists, zone: timedelta | None, now: datetime
) -> Dosage:
    """The dosage of an order, a statement or an administration; `supply` is what the order lets dispense."""
    given = instructions_of(order)
    if not given:
        return Dosage(
            duration_days=_duration(supply, [], None, None), volume_ml=_volume(supply, given, [])
        )
    timings = [i.timing or NO_TIMING for i in given]
    repeats = [t.repeat or NO_REPEAT for t in timings]
    doses = [dose_quantities(i) for i in given]
    start, end = _bounds(repeats, zone, now)
    return Dosage(
        start=start,
        end=end,
        duration_days=_duration(supply, repeats, start, end),
        daily_dose_mg=_daily_dose(given[0], doses[0], timings[0], reading)
        if len(given) == 1
        else None,
        volume_ml=_volume(supply, given, doses),
        single_dose=False not in [_once(timing, reading) for timing in timings],
        routes=tuple(
            [route for i in given if i.route is not NOTHING for route in concepts_in(i.route)]
        ),
        words=_in_words(given),
    )


def _bounds(
    repeats: list[Repeat], zone: timedelta | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The first start and the last end."""
    starts, ends = [], []
    for repeat in repeats:
        period = repeat.bounds_period
        if period is None:
            continue
        if period.start and (start := moment(period.start.strip(), zone, now)):
            starts.append(start.at)
        if period.end and (end := moment(period.end.strip(), zone, now)):
            ends.append(end.at)
    return min(starts) if starts else None, max(ends) if ends else None


def instructions_of(order: Element) -> Sequence[Instruction]:
    """The dosage instructions under the names that R4, STU3 and DSTU2 give them."""
    return (instructions(order, "dosageInstruction") or instructions(order, "dosage"))[:MAX_ITEMS]


def instruction_text(order: Element) -> str:
    """What the instructions say in words."""
    return _in_words(instructions_of(order))


def _in_words(given: Sequence[Instruction]) -> str:
    return " ".join(filter(None, [i.text.strip() or i.patient_instruction.strip() for i in given]))


def dose_quantities(instruction: Instruction) -> list[Quantity]:
    """Doses of one instruction: in doseAndRate (R4), directly (STU3, DSTU2, Epic), or `dose` (given)."""
    found = [d.dose_quantity for d in instruction.dose_and_rate if d.dose_quantity is not None]
    for quantity in (instruction.dose_quantity, instruction.dose, instruction.quantity):
        if quantity is not None:
            found.append(quantity)
    return found


def _duration(
    supply: Dispense, repeats: list[Repeat], start: datetime | None, end: datetime | None
) -> Decimal | None:
    """The stated period or duration; else the supply, times the first fill and every refill."""
    stated = [
        d
        for r in repeats
        if r.bounds_duration is not None and (d := days(r.bounds_duration)) is not None
    ]
    if stated:
        return max(stated)
    if start is not None and end is not None and end >= start:
        return Decimal((end - start) // _DAY)
    lasts = (
        days(supply.expected_supply_duration)
        if supply.expected_supply_duration is not None
        else None
    )
    if lasts is None:
        return None
    refills = exact(supply.number_of_repeats_allowed)
    return lasts * (1 + refills) if refills is not None and refills > 0 else lasts


def _daily_dose(
    instruction: Instruction, quantities: list[Quantity], timing: Timing, reading: CodeLists
) -> Decimal | None:
    """The only instruction, not as needed, one dose in a unit of mass: else the day's dose is not exact."""
    if instruction.as_needed_boolean is True or instruction.as_needed_codeable_concept is not None:
        return None
    dose = amount(quantities[0], "mg") if len(quantities) == 1 else None
    times = _times_a_day(timing, reading) if dose is not None else None
    return dose * times if dose is not None and times is not None else None


def _times_a_day(timing: Timing, reading: CodeLists) -> Decimal | None:
    repeat = timing.repeat or NO_REPEAT
    if (
        repeat.frequency_max is not None
        or repeat.period_max is not None
        or repeat.day_of_week is not None
    ):
        return None
    period = exact(repeat.period)
    if period is not None:
        frequency = exact(repeat.frequency)
        unit = repeat.period_unit.strip() or repeat.period_units.strip()
        return times_a_day(Decimal(1) if frequency is None else frequency, period, unit)
    named = (reading.times_a_day.get(c) for c in sorted(_codes(timing)))
    return next((n for n in named if n is not None), None)


def _once(timing: Timing, reading: CodeLists) -> bool:
    repeat = timing.repeat or NO_REPEAT
    if repeat.count is not None and exact(repeat.count) == 1:
        return True
    if timing.code is not NOTHING and _codes(timing) & reading.once:
        return True
    return isinstance(timing.event, list) and len(timing.event) == 1 and repeat == NO_REPEAT


def _codes(timing: Timing) -> frozenset[str]:
    return codes(concept_in(timing.code)) if timing.code is not NOTHING else frozenset()


def _volume(
    supply: Dispense, given: Sequence[Instruction], doses: list[list[Quantity]]
) -> Decimal | None:
    """The largest volume among the doses; else the dispensed quantity; else rate times duration."""
    volumes = [v for quantities in doses for q in quantities if (v := amount(q, "ml")) is not None]
    if volumes:
        return max(volumes)
    dispensed = amount(supply.quantity, "ml") if supply.quantity is not None else None
    if dispensed is not None:
        return dispensed
    rates = [v for i in given if (v := _infused(i)) is not None]
    return max(rates, default=None)


def _infused(instruction: Instruction) -> Decimal | None:
    """mL of a rate over its stated duration, else over one day: an open infusion runs that long at least."""
    found = []
    for dose in instruction.dose_and_rate:
        if dose.rate_quantity is not None or dose.rate_ratio is not None:
            found += filled(dose.rate_quantity, dose.rate_ratio)[:1]
    if instruction.rate_quantity is not None or instruction.rate_ratio is not None:
        found += filled(instruction.rate_quantity, instruction.rate_ratio)
    rates = [r for rate in found if (r := ml_per_day(rate)) is not None]
    if not rates:
        return None
    bounds = ((instruction.timing or NO_TIMING).repeat or NO_REPEAT).bounds_duration
    lasting = days(bounds) if bounds is not None else None
    return max(rates) * (Decimal(1) if lasting is None else lasting)
