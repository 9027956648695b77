"""Quantities of an order in milligrams, millilitres and days; None in a unit that does not lead there exactly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from cds_service.fhir.elements import Element, child, number, text

# Definitions of units, nothing a clinician could argue about; a month counts 30 days, a year 365.
_DAYS = {
    "s": Fraction(1, 86400),
    "min": Fraction(1, 1440),
    "h": Fraction(1, 24),
    "d": Fraction(1),
    "wk": Fraction(7),
    "mo": Fraction(30),
    "a": Fraction(365),
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
MG = {
    "g": Decimal(1000),
    "mg": Decimal(1),
    "ug": Decimal("0.001"),
    "mcg": Decimal("0.001"),
    "µg": Decimal("0.001"),
}
ML = {
    "ml": Decimal(1),
    "milliliter": Decimal(1),
    "milliliters": Decimal(1),
    "dl": Decimal(100),
    "l": Decimal(1000),
    "liter": Decimal(1000),
    "liters": Decimal(1000),
}


def amount(quantity: Element, factors: Mapping[str, Decimal]) -> Decimal | None:
    """A quantity in the unit that the factors lead to; None with a comparator or in any other unit."""
    value = number(quantity, "value")
    if value is None or text(quantity, "comparator"):
        return None
    for name in ("code", "unit"):
        factor = factors.get(text(quantity, name).lower())
        if factor is not None:
            return value * factor
    return None


def time_unit(word: str) -> Fraction | None:
    """A unit of time in days, by its UCUM code or its English name."""
    unit = word.strip().lower()
    return _DAYS.get(unit) or _DAYS.get(_TIME_WORDS.get(unit.removesuffix("s"), ""))


def days(quantity: Element) -> Decimal | None:
    """A Duration in days."""
    exact = _days(quantity)
    return decimal(exact) if exact is not None else None


def ml_per_day(rate: Element) -> Decimal | None:
    """A rate of infusion, as a Quantity in mL/h or the like, or as a Ratio."""
    if "numerator" in rate:
        volume, time = amount(child(rate, "numerator"), ML), _days(child(rate, "denominator"))
        return decimal(Fraction(volume) / time) if volume is not None and time else None
    value = number(rate, "value")
    for name in ("code", "unit"):
        above, _, below = text(rate, name).lower().partition("/")
        factor, unit = ML.get(above.strip()), time_unit(below)
        if value is not None and factor is not None and unit is not None:
            return decimal(Fraction(value * factor) / unit)
    return None


def decimal(exact: Fraction) -> Decimal:
    """A fraction as a decimal, exact wherever decimals can be."""
    return Decimal(exact.numerator) / Decimal(exact.denominator)


def _days(quantity: Element) -> Fraction | None:
    value = number(quantity, "value")
    unit = time_unit(text(quantity, "code")) or time_unit(text(quantity, "unit"))
    return Fraction(value) * unit if value is not None and unit is not None else None
