"""Quantities of an order in milligrams, milliliters and days; None in a unit that does not lead there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from cds_service.records.elements import exact, trimmed
from cds_service.records.forms import NO_QUANTITY, Quantity, Rate

# Definitions of units, nothing a clinician could argue about; a month counts 30 days, a year 365.
# A unit of time is kept as days over parts of a day, so that "every 8 h" is exactly three times a day.
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
_MG = {
    "g": Decimal(1000),
    "mg": Decimal(1),
    "ug": Decimal("0.001"),
    "mcg": Decimal("0.001"),
    "µg": Decimal("0.001"),
}
_ML = {
    "ml": Decimal(1),
    "milliliter": Decimal(1),
    "milliliters": Decimal(1),
    "dl": Decimal(100),
    "l": Decimal(1000),
    "liter": Decimal(1000),
    "liters": Decimal(1000),
}

Measure = Literal["mg", "ml"]
_FACTORS: Mapping[Measure, Mapping[str, Decimal]] = {"mg": _MG, "ml": _ML}
_REMEMBERED = 1024  # units


def amount(quantity: Quantity, measure: Measure) -> Decimal | None:
    """A quantity in milligrams or milliliters; None with a comparator or in any other unit."""
    factor = _factor(quantity.code, quantity.unit, measure)
    if factor is None or quantity.comparator.strip():
        return None
    value = exact(quantity.value)
    return value * factor if value is not None else None


@lru_cache(maxsize=_REMEMBERED)
def _factor(code: str, unit: str, measure: Measure) -> Decimal | None:
    """What leads from a unit, by its code or else by its name, to that of the measure."""
    factors = _FACTORS[measure]
    return next(
        (f for word in (code, unit) if (f := factors.get(trimmed(word).lower())) is not None), None
    )


def times_a_day(frequency: Decimal, period: Decimal, unit: str) -> Decimal | None:
    """How often in 24 h, of a frequency per period; None in an unknown unit or for no period at all."""
    known = _time_unit(unit)
    return frequency * known[1] / (period * known[0]) if known is not None and period > 0 else None


def days(quantity: Quantity) -> Decimal | None:
    """A Duration in days."""
    value = exact(quantity.value)
    unit = _time_unit(quantity.code) or _time_unit(quantity.unit)
    return value * unit[0] / unit[1] if value is not None and unit is not None else None


def ml_per_day(rate: Rate) -> Decimal | None:
    """A rate of infusion, as a Quantity in mL/h or the like, or as a Ratio."""
    if rate.numerator is not None and rate.numerator != NO_QUANTITY:
        below = rate.denominator or NO_QUANTITY
        volume, time = amount(rate.numerator, "ml"), exact(below.value)
        unit = trimmed(below.code) or trimmed(below.unit)
        return times_a_day(volume, time, unit) if volume is not None and time is not None else None
    value = exact(rate.value)
    for name in (rate.code, rate.unit):
        volume_unit, _, time_word = trimmed(name).lower().partition("/")
        factor = _ML.get(volume_unit.strip())
        if value is not None and factor is not None:
            return times_a_day(value * factor, Decimal(1), time_word)
    return None


@lru_cache(maxsize=_REMEMBERED)
def _time_unit(word: str) -> tuple[Decimal, Decimal] | None:
    """A unit of time by its UCUM code or its English name."""
    unit = trimmed(word).lower()
    return _DAYS.get(unit) or _DAYS.get(_TIME_WORDS.get(unit.removesuffix("s"), ""))
