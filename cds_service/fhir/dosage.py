"""How much, how often and for how long an order is to be given, where that can be worked out exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import repeat

from cds_service.fhir.amounts import MG, ML, amount, days, ml_per_day, times_a_day
from cds_service.fhir.elements import Element, child, codes, concept_of, concepts, flag, items, number, text
from cds_service.fhir.shape import read_instructions
from cds_service.fhir.times import moment
from cds_service.fhir.vocabulary import Reading
from cds_service.terminology.match import Coded

_DAY = timedelta(days=1)
_DIRECT_DOSES = ("doseQuantity", "dose", "quantity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosage:
    """What one order says of dose and time; None where it does not say, or not exactly."""

    start: datetime | None = None
    end: datetime | None = None
    duration_days: Decimal | None = None
    daily_dose_mg: Decimal | None = None
    volume_ml: Decimal | None = None
    single_dose: bool = False
    routes: tuple[Coded, ...] = ()
    words: str = ""


def dosage(order: Element, words: Reading, zone: timedelta | None, now: datetime) -> Dosage:
    """The dosage of an order, a statement or an administration."""
    instructions = instructions_of(order)
    timings = [child(i, "timing") for i in instructions]
    repeats = [child(t, "repeat") for t in timings]
    doses = [dose_quantities(i) for i in instructions]
    periods = [p for r in repeats if (p := child(r, "boundsPeriod"))]
    starts = [m.at for p in periods if (m := moment(text(p, "start"), zone, now))]
    ends = [m.at for p in periods if (m := moment(text(p, "end"), zone, now))]
    start, end = min(starts, default=None), max(ends, default=None)
    alone = len(instructions) == 1
    return Dosage(
        start=start,
        end=end,
        duration_days=_duration(order, repeats, start, end),
        daily_dose_mg=_daily_dose(instructions[0], doses[0], timings[0], words) if alone else None,
        volume_ml=_volume(order, instructions, doses),
        single_dose=bool(instructions) and all(map(_once, timings, repeats, repeat(words))),
        routes=tuple([r for i in instructions if "route" in i for r in concepts(i, "route")]),
        words=_in_words(instructions),
    )


def instructions_of(order: Element) -> tuple[Element, ...]:
    """The dosage instructions under the names that R4, STU3 and DSTU2 give them."""
    return read_instructions(order, "dosageInstruction") or read_instructions(order, "dosage")


def instruction_text(order: Element) -> str:
    """What the instructions say in words."""
    return _in_words(instructions_of(order))


def _in_words(instructions: tuple[Element, ...]) -> str:
    parts = [text(i, "text") or text(i, "patientInstruction") for i in instructions]
    return " ".join([p for p in parts if p])


def dose_quantities(instruction: Element) -> tuple[Element, ...]:
    """Doses of one instruction: in doseAndRate (R4), directly (STU3, DSTU2, Epic), or `dose` (given)."""
    found = [child(d, "doseQuantity") for d in items(instruction, "doseAndRate")]
    found += [child(instruction, name) for name in _DIRECT_DOSES if name in instruction]
    return tuple([q for q in found if q])


def _duration(order: Element, repeats: list[Element], start: datetime | None, end: datetime | None) -> Decimal | None:
    """The stated period or duration; else the supply, times the first fill and every refill."""
    stated = [d for r in repeats if "boundsDuration" in r and (d := days(child(r, "boundsDuration"))) is not None]
    if stated:
        return max(stated)
    if start is not None and end is not None and end >= start:
        return Decimal((end - start) // _DAY)
    dispense = child(order, "dispenseRequest") if "dispenseRequest" in order else {}
    supply = days(child(dispense, "expectedSupplyDuration"))
    if supply is None:
        return None
    refills = number(dispense, "numberOfRepeatsAllowed") or Decimal(0)
    return supply * (1 + max(refills, Decimal(0)))


def _daily_dose(
    instruction: Element, quantities: tuple[Element, ...], timing: Element, words: Reading
) -> Decimal | None:
    """The only instruction, not as needed, one dose in a unit of mass: else the day's dose is not exact."""
    if flag(instruction, "asNeededBoolean") or instruction.get("asNeededCodeableConcept") is not None:
        return None
    dose = amount(quantities[0], MG) if len(quantities) == 1 else None
    times = _times_a_day(timing, words) if dose is not None else None
    return dose * times if dose is not None and times is not None else None


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


def _once(timing: Element, repeated: Element, words: Reading) -> bool:
    if "count" in repeated and number(repeated, "count") == 1:
        return True
    if "code" in timing and codes(concept_of(timing, "code")) & words.once:
        return True
    events = timing.get("event")
    return not repeated and isinstance(events, list) and len(events) == 1


def _volume(order: Element, instructions: tuple[Element, ...], doses: list[tuple[Element, ...]]) -> Decimal | None:
    """The largest volume among the doses; else the dispensed quantity; else rate times duration."""
    given = [v for quantities in doses for q in quantities if (v := amount(q, ML)) is not None]
    if given:
        return max(given)
    dispensed = amount(child(child(order, "dispenseRequest"), "quantity"), ML) if "dispenseRequest" in order else None
    if dispensed is not None:
        return dispensed
    rates = [v for i in instructions if (v := _infused(i)) is not None]
    return max(rates, default=None)


def _infused(instruction: Element) -> Decimal | None:
    """mL of a rate over its stated duration, else over one day: an open infusion runs that long at least."""
    found = [child(d, "rateQuantity") or child(d, "rateRatio") for d in items(instruction, "doseAndRate")]
    found += [child(instruction, name) for name in ("rateQuantity", "rateRatio") if name in instruction]
    rates = [r for q in found if q and (r := ml_per_day(q)) is not None]
    if not rates:
        return None
    repeat = child(child(instruction, "timing"), "repeat")
    lasting = days(child(repeat, "boundsDuration"))
    return max(rates) * (Decimal(1) if lasting is None else lasting)
