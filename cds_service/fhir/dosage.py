"""How much, how often and for how long an order is to be given, where that can be worked out exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.fhir.amounts import MG, ML, amount, days, ml_per_day, times_a_day
from cds_service.fhir.elements import Element, child, codes, concept_of, flag, items, number, text
from cds_service.fhir.times import moment
from cds_service.fhir.vocabulary import Reading

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosage:
    """What one order says of dose and time; None where it does not say, or not exactly."""

    start: datetime | None = None
    end: datetime | None = None
    duration_days: Decimal | None = None
    daily_dose_mg: Decimal | None = None
    volume_ml: Decimal | None = None
    single_dose: bool = False


def dosage(order: Element, words: Reading, zone: timedelta | None, now: datetime) -> Dosage:
    """The dosage of an order, a statement or an administration."""
    instructions = instructions_of(order)
    repeats = [child(child(i, "timing"), "repeat") for i in instructions]
    periods = [child(r, "boundsPeriod") for r in repeats]
    starts = [m.at for p in periods if (m := moment(text(p, "start"), zone, now))]
    ends = [m.at for p in periods if (m := moment(text(p, "end"), zone, now))]
    start, end = min(starts, default=None), max(ends, default=None)
    return Dosage(
        start=start,
        end=end,
        duration_days=_duration(order, repeats, start, end),
        daily_dose_mg=_daily_dose(instructions, words),
        volume_ml=_volume(order, instructions),
        single_dose=bool(instructions) and all(_once(i, words) for i in instructions),
    )


def instructions_of(order: Element) -> tuple[Element, ...]:
    """The dosage instructions under the names that R4, STU3 and DSTU2 give them."""
    return items(order, "dosageInstruction") or items(order, "dosage")


def instruction_text(order: Element) -> str:
    """What the instructions say in words."""
    parts = [text(i, "text") or text(i, "patientInstruction") for i in instructions_of(order)]
    return " ".join(p for p in parts if p)


def dose_quantities(instruction: Element) -> tuple[Element, ...]:
    """Doses of one instruction: in doseAndRate (R4), directly (STU3, DSTU2, Epic), or `dose` (given)."""
    inside = [child(d, "doseQuantity") for d in items(instruction, "doseAndRate")]
    direct = [child(instruction, "doseQuantity"), child(instruction, "dose"), child(instruction, "quantity")]
    return tuple(q for q in (*inside, *direct) if q)


def _duration(order: Element, repeats: list[Element], start: datetime | None, end: datetime | None) -> Decimal | None:
    """The stated period or duration; else the supply, times the first fill and every refill."""
    stated = [d for r in repeats if (d := days(child(r, "boundsDuration"))) is not None]
    if stated:
        return max(stated)
    if start is not None and end is not None and end >= start:
        return Decimal((end - start) // _DAY)
    dispense = child(order, "dispenseRequest")
    supply = days(child(dispense, "expectedSupplyDuration"))
    if supply is None:
        return None
    refills = number(dispense, "numberOfRepeatsAllowed") or Decimal(0)
    return supply * (1 + max(refills, Decimal(0)))


def _daily_dose(instructions: tuple[Element, ...], words: Reading) -> Decimal | None:
    """One instruction, not as needed, one dose in a unit of mass: else the day's dose is not exact."""
    if len(instructions) != 1:
        return None
    instruction = instructions[0]
    if flag(instruction, "asNeededBoolean") or instruction.get("asNeededCodeableConcept") is not None:
        return None
    quantities = dose_quantities(instruction)
    times = _times_a_day(child(instruction, "timing"), words)
    if len(quantities) != 1 or times is None:
        return None
    dose = amount(quantities[0], MG)
    return dose * times if dose is not None else None


def _times_a_day(timing: Element, words: Reading) -> Decimal | None:
    repeat = child(timing, "repeat")
    if "frequencyMax" in repeat or "periodMax" in repeat or "dayOfWeek" in repeat:
        return None
    period, frequency = number(repeat, "period"), number(repeat, "frequency")
    unit = text(repeat, "periodUnit") or text(repeat, "periodUnits")
    if period is not None:
        return times_a_day(Decimal(1) if frequency is None else frequency, period, unit)
    named = (words.times_a_day.get(c) for c in sorted(codes(concept_of(timing, "code"))))
    return next((n for n in named if n is not None), None)


def _once(instruction: Element, words: Reading) -> bool:
    timing = child(instruction, "timing")
    repeat = child(timing, "repeat")
    if number(repeat, "count") == 1:
        return True
    if codes(concept_of(timing, "code")) & words.once:
        return True
    events = timing.get("event")
    return not repeat and isinstance(events, list) and len(events) == 1


def _volume(order: Element, instructions: tuple[Element, ...]) -> Decimal | None:
    """The largest volume among the doses; else the dispensed quantity; else rate times duration."""
    doses = [v for i in instructions for q in dose_quantities(i) if (v := amount(q, ML)) is not None]
    if doses:
        return max(doses)
    dispensed = amount(child(child(order, "dispenseRequest"), "quantity"), ML)
    if dispensed is not None:
        return dispensed
    rates = [v for i in instructions if (v := _infused(i)) is not None]
    return max(rates, default=None)


def _infused(instruction: Element) -> Decimal | None:
    """mL of a rate over its stated duration, else over one day: an open infusion runs that long at least."""
    found = [child(d, "rateQuantity") or child(d, "rateRatio") for d in items(instruction, "doseAndRate")]
    found += [child(instruction, "rateQuantity"), child(instruction, "rateRatio")]
    rates = [r for q in found if q and (r := ml_per_day(q)) is not None]
    if not rates:
        return None
    repeat = child(child(instruction, "timing"), "repeat")
    lasting = days(child(repeat, "boundsDuration"))
    return max(rates) * (Decimal(1) if lasting is None else lasting)
