"""How much, how often and how long an order is given, if that can be worked out exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from cds_service.records.bounds import MAX_ITEMS
from cds_service.records.fhir_types import (
    NO_DISPENSE,
    NO_PERIOD,
    NO_QUANTITY,
    NO_REPEAT,
    NO_TIMING,
    Instruction,
    Quantity,
    Rate,
    Repeat,
    Resource,
    Timing,
    codes,
    concepts,
    exact,
    filled,
    first_concept,
    listed,
)
from cds_service.records.times import moment
from cds_service.terminology.doses import DoseReader
from cds_service.terminology.remembering import remembering
from cds_service.terminology.text import words as read_words
from cds_service.terminology.types import Coded
from cds_service.terminology.units import MILLIGRAMS, MILLILITERS, MILLIMOLES
from cds_service.terminology.vocabulary import CodeLists, Vocabulary

_DAY = timedelta(days=1)
# Definitions of units, nothing a clinician could argue about; a month counts 30 days, a year 365.
# A unit of time is days over parts of a day, so that "every 8 h" is exactly three times a day.
_DAYS: Mapping[str, tuple[Decimal, Decimal]] = {
    "s": (Decimal(1), Decimal(86400)),
    "min": (Decimal(1), Decimal(1440)),
    "h": (Decimal(1), Decimal(24)),
    "d": (Decimal(1), Decimal(1)),
    "wk": (Decimal(7), Decimal(1)),
    "mo": (Decimal(30), Decimal(1)),
    "a": (Decimal(365), Decimal(1)),
}
_TIME_WORDS = {
    "second": "s",
    "minute": "min",
    "hour": "h",
    "hr": "h",
    "day": "d",
    "week": "wk",
    "month": "mo",
    "year": "a",
}
Measure = Literal["mg", "ml", "mmol"]
_FACTORS: Mapping[Measure, Mapping[str, Decimal]] = {
    "mg": MILLIGRAMS,
    "ml": MILLILITERS,
    "mmol": MILLIMOLES,
}


class Dosage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one order says of dose and time; None if it does not say, or not exactly."""

    start: datetime | None = None
    end: datetime | None = None
    duration_days: Decimal | None = None
    daily_dose_mg: Decimal | None = None
    single_dose: bool = False


class Given(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one order says of how its product is given, which helps to recognise the product."""

    volume_ml: Decimal | None = None
    ordered_ml: Decimal | None = None  # in all, for one day at most (F9)
    dose_mmol: Decimal | None = None  # the largest dose that is told in mmol or mEq (F10)
    rate_ml_h: Decimal | None = None  # the fastest of its rates
    routes: tuple[Coded, ...] = ()
    words: str = ""


def dosage(order: Resource, lists: CodeLists, zone: timedelta | None, now: datetime) -> Dosage:
    """The dosage of an order, a statement or an administration."""
    given = instructions_of(order)
    if not given:
        return Dosage(duration_days=_duration(order, [], None, None))
    timings = [one.timing or NO_TIMING for one in given]
    repeats = [timing.repeat or NO_REPEAT for timing in timings]
    start, end = _bounds(repeats, zone, now)
    return Dosage(
        start=start,
        end=end,
        duration_days=_duration(order, repeats, start, end),
        daily_dose_mg=_daily_dose(given[0], lists) if len(given) == 1 else None,
        single_dose=all(_is_once(timing, lists) for timing in timings),
    )


def given_as(order: Resource, lists: CodeLists) -> Given:
    """How the product of an order, a statement or an administration is given."""
    given = instructions_of(order)
    doses = [_largest([amount(q, "ml") for q in dose_quantities(one)]) for one in given]
    dispensed, flows = _dispensed(order), [_daily_ml(one) for one in given]
    volume = ordered = dispensed
    if any(ml is not None for ml in (*doses, *flows)):  # no tablet has a volume
        volume = _volume(given, doses, dispensed, flows)
        ordered = _ordered(zip(given, doses, flows, strict=True), dispensed, lists)
    return Given(
        volume_ml=volume,
        ordered_ml=ordered,
        dose_mmol=_largest([amount(q, "mmol") for one in given for q in dose_quantities(one)]),
        rate_ml_h=_hourly(flows),
        routes=concepts(*(one.route for one in given)),
        words=instruction_text(given),
    )


def _hourly(flows: Sequence[Decimal | None]) -> Decimal | None:
    """The fastest rate in mL/h, of the mL a day of each instruction."""
    fastest = _largest(flows)
    return None if fastest is None else fastest / _DAYS["h"][1]


def instructions_of(order: Resource) -> Sequence[Instruction]:
    """The dosage instructions under the names that R4, STU3 and DSTU2 give them."""
    return (listed(order.dosage_instruction) or listed(order.dosage))[:MAX_ITEMS]


def instruction_text(given: Sequence[Instruction]) -> str:
    """What instructions say in words."""
    texts = [one.text.strip() or one.patient_instruction.strip() for one in given]
    return " ".join(filter(None, texts))


def regimen(order: Resource, names: Sequence[str], vocabulary: Vocabulary) -> str:
    """What an order says of strength, dose, rate, route and time; "" if it says no dose (F38)."""
    given = instructions_of(order)
    says_dose = [dose_quantities(one) or _rates(one) or instruction_text([one]) for one in given]
    if not given or not all(says_dose):
        return ""
    strengths = [vocabulary.doses.strength(read_words(name)) for name in names]
    known = next((mg for mg in strengths if mg is not None), None)
    return f"{known} {msgspec.json.encode(given).decode().casefold()}"


def is_in_turn(order: Resource, vocabulary: Vocabulary) -> bool:
    """Whether an order is one of several by its words or times: once, then, as needed (F38)."""
    given = instructions_of(order)
    as_needed = any(
        one.as_needed_boolean is True or one.as_needed_codeable_concept is not None for one in given
    )
    once = any(_is_once(one.timing or NO_TIMING, vocabulary.code_lists) for one in given)
    return as_needed or once or vocabulary.doses.is_in_turn(read_words(instruction_text(given)))


def carries_on(order: Resource, vocabulary: Vocabulary) -> bool:
    """Whether an order says in words that it carries on what was taken at home (DISCHARGE)."""
    said = instruction_text(instructions_of(order))
    return bool(said) and vocabulary.doses.carries_on(read_words(said))


def dose_quantities(instruction: Instruction) -> list[Quantity]:
    """Doses of one instruction, under the names that the versions of FHIR give them."""
    quantities = [one.dose_quantity for one in instruction.dose_and_rate]
    quantities += [instruction.dose_quantity, instruction.dose, instruction.quantity]
    return [quantity for quantity in quantities if quantity is not None]


def _bounds(
    repeats: list[Repeat], zone: timedelta | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The first start and the last end."""
    starts, ends = [], []
    for repeat in repeats:
        period = repeat.bounds_period or NO_PERIOD
        if start := moment(period.start, zone, now):
            starts.append(start.at)
        if end := moment(period.end, zone, now):
            ends.append(end.at)
    return min(starts, default=None), max(ends, default=None)


def _duration(
    order: Resource, repeats: list[Repeat], start: datetime | None, end: datetime | None
) -> Decimal | None:
    """The stated period or duration; else the supply, times the first fill and every refill."""
    stated = _largest([days(repeat.bounds_duration) for repeat in repeats])
    if stated is not None:
        return stated
    if start is not None and end is not None and end >= start:
        return Decimal((end - start) // _DAY)
    supply = order.dispense_request or NO_DISPENSE
    lasts = days(supply.expected_supply_duration)
    if lasts is None:
        return None
    refills = exact(supply.number_of_repeats_allowed)
    return lasts * (1 + refills) if refills is not None and refills > 0 else lasts


def _daily_dose(instruction: Instruction, lists: CodeLists) -> Decimal | None:
    """The dose of a day; None if it is given as needed, in several doses, or in no unit of mass."""
    if instruction.as_needed_boolean is True or instruction.as_needed_codeable_concept is not None:
        return None
    quantities = dose_quantities(instruction)
    dose = amount(quantities[0], "mg") if len(quantities) == 1 else None
    if dose is None:
        return None
    times = _times_a_day(instruction.timing or NO_TIMING, lists)
    return dose * times if times is not None else None


def first_day_mg(order: Resource, names: Sequence[str], vocabulary: Vocabulary) -> Decimal | None:
    """What the first day brings by the first instruction: in mg, in tablets, or in words (F19).

    Without an amount it is what a name of the product says, times how often a day.
    """
    reader, lists = vocabulary.doses, vocabulary.code_lists
    found = [reader.strength(read_words(name)) for name in names]
    strength = next((mg for mg in found if mg is not None), None)
    given = instructions_of(order)
    if not given:
        return strength
    first, text = given[0], read_words(instruction_text(given[:1]))
    if reader.begins_later(text):
        return None
    times = _times_a_day(first.timing or NO_TIMING, lists) or reader.times(text)
    quantities = dose_quantities(first)
    known = _largest([_mg_of(one, strength, reader) for one in quantities])
    if known is not None:
        return known * max(times, Decimal(1))
    said = None if quantities else reader.day(text, strength)
    if said is not None or quantities or strength is None:
        return said
    return strength * max(times, Decimal(1))


def _mg_of(quantity: Quantity, strength: Decimal | None, reader: DoseReader) -> Decimal | None:
    """A dose in mg, or a number of tablets of this strength."""
    known = amount(quantity, "mg")
    count = exact(quantity.value)
    if known is not None or strength is None or count is None or quantity.comparator.strip():
        return known
    counts_tablets = any(map(reader.is_tablet, (quantity.unit, quantity.code)))
    return count * strength if counts_tablets else None


def _times_a_day(timing: Timing, lists: CodeLists) -> Decimal | None:
    """How often in 24 h, by the clock or by a code such as BID; None if it varies."""
    repeat = timing.repeat or NO_REPEAT
    varying = (repeat.frequency_max, repeat.period_max, repeat.day_of_week)
    if any(member is not None for member in varying):
        return None
    period = exact(repeat.period)
    if period is not None:
        frequency = exact(repeat.frequency)
        unit = repeat.period_unit.strip() or repeat.period_units.strip()
        return times_a_day(Decimal(1) if frequency is None else frequency, period, unit)
    for code in sorted(codes(first_concept(timing.code))):
        if code in lists.times_a_day:
            return lists.times_a_day[code]
    return None


def _is_once(timing: Timing, lists: CodeLists) -> bool:
    """Whether an instruction means one dose, by its count, its code, or a single event."""
    repeat = timing.repeat or NO_REPEAT
    if exact(repeat.count) == 1:
        return True
    if codes(first_concept(timing.code)) & lists.once:
        return True
    return isinstance(timing.event, list) and len(timing.event) == 1 and repeat == NO_REPEAT


def _volume(
    given: Sequence[Instruction],
    doses: Sequence[Decimal | None],
    dispensed: Decimal | None,
    flows: Sequence[Decimal | None],
) -> Decimal | None:
    """The largest volume among the doses; else the dispensed quantity; else rate times duration."""
    volume = _largest(doses)
    if volume is None:
        volume = dispensed
    if volume is None:
        infused = zip(given, flows, strict=True)
        volume = _largest([_infused(one, daily) for one, daily in infused if daily is not None])
    return volume


def _ordered(
    amounts: Iterable[tuple[Instruction, Decimal | None, Decimal | None]],
    dispensed: Decimal | None,
    lists: CodeLists,
) -> Decimal | None:
    """What the order gives in all: doses times their number, else rates times their duration.

    Without either it is the dispensed quantity. An open rate has no amount (F9). `amounts` are the
    instructions, each with its dose and with what its rate gives in a day, in mL.
    """
    each = [_given_ml(one, dose, daily, lists) for one, dose, daily in amounts]
    known = [ml for ml in each if ml is not None]
    return sum(known, Decimal(0)) if known else dispensed


def _dispensed(order: Resource) -> Decimal | None:
    quantity = (order.dispense_request or NO_DISPENSE).quantity
    return amount(quantity, "ml") if quantity is not None else None


def _given_ml(
    instruction: Instruction, dose: Decimal | None, daily: Decimal | None, lists: CodeLists
) -> Decimal | None:
    if dose is not None:
        return dose * _doses(instruction, lists)
    if daily is None:
        return None
    repeat = (instruction.timing or NO_TIMING).repeat or NO_REPEAT
    lasting = days(repeat.bounds_duration)
    if lasting is None:
        unit = str(repeat.duration_unit or repeat.duration_units or "")
        lasting = days(Quantity(value=repeat.duration, unit=unit))
    return daily * lasting if lasting is not None else None


def _doses(instruction: Instruction, lists: CodeLists) -> Decimal:
    """The doses of a day: by their count, else by the clock (at most hourly), else one."""
    timing = instruction.timing or NO_TIMING
    count = exact((timing.repeat or NO_REPEAT).count)
    if count is not None and count > 0:
        return count
    if instruction.as_needed_boolean is True or instruction.as_needed_codeable_concept is not None:
        return Decimal(1)
    times = _times_a_day(timing, lists)
    hourly = _DAYS["h"][1]
    return times if times is not None and 1 <= times <= hourly else Decimal(1)


def _largest(amounts: Sequence[Decimal | None]) -> Decimal | None:
    return max([amount for amount in amounts if amount is not None], default=None)


def _daily_ml(instruction: Instruction) -> Decimal | None:
    """The mL of a day at the rate of an infusion, the largest if it names several."""
    return _largest([ml_per_day(rate) for rate in _rates(instruction)])


def _infused(instruction: Instruction, daily: Decimal) -> Decimal:
    """mL of a rate over its stated duration; an open infusion runs for one day at least."""
    repeat = (instruction.timing or NO_TIMING).repeat or NO_REPEAT
    lasting = days(repeat.bounds_duration)
    return daily if lasting is None else daily * lasting


def _rates(instruction: Instruction) -> list[Rate]:
    rates = filled(instruction.rate_quantity, instruction.rate_ratio)
    for dose in instruction.dose_and_rate:
        rates += filled(dose.rate_quantity, dose.rate_ratio)[:1]
    return rates


def amount(quantity: Quantity, measure: Measure) -> Decimal | None:
    """A quantity in the unit of a measure; None with a comparator or in any other unit."""
    factor = _factor(quantity.code, quantity.unit, measure)
    if factor is None or quantity.comparator.strip():
        return None
    value = exact(quantity.value)
    return value * factor if value is not None else None


def _factor(code: str, unit: str, measure: Measure) -> Decimal | None:
    """The factor from a unit, by its code or else by its name, to that of the measure."""
    factors = _FACTORS[measure]
    by_code = factors.get(code.strip().lower())
    return by_code if by_code is not None else factors.get(unit.strip().lower())


def times_a_day(frequency: Decimal, period: Decimal, unit: str) -> Decimal | None:
    """How often in 24 h, of a frequency per period; None in an unknown unit or without a period."""
    known = _time_unit(unit)
    return frequency * known[1] / (period * known[0]) if known is not None and period > 0 else None


def days(quantity: Quantity | None) -> Decimal | None:
    """A Duration in days."""
    if quantity is None:
        return None
    value = exact(quantity.value)
    unit = _time_unit(quantity.code) or _time_unit(quantity.unit)
    return value * unit[0] / unit[1] if value is not None and unit is not None else None


def ml_per_day(rate: Rate) -> Decimal | None:
    """A rate of infusion, as a Quantity in mL/h or the like, or as a Ratio."""
    if rate.numerator is not None and rate.numerator != NO_QUANTITY:
        below = rate.denominator or NO_QUANTITY
        volume, time = amount(rate.numerator, "ml"), exact(below.value)
        unit = below.code.strip() or below.unit.strip()
        return times_a_day(volume, time, unit) if volume is not None and time is not None else None
    value = exact(rate.value)
    for name in (rate.code, rate.unit):
        volume_unit, _, time_word = name.strip().lower().partition("/")
        factor = MILLILITERS.get(volume_unit.strip())
        if value is not None and factor is not None:
            return times_a_day(value * factor, Decimal(1), time_word)
    return None


@remembering
def _time_unit(word: str) -> tuple[Decimal, Decimal] | None:
    """A unit of time by its UCUM code or its English name."""
    unit = word.strip().lower()
    return _DAYS.get(unit) or _DAYS.get(_TIME_WORDS.get(unit.removesuffix("s"), ""))
