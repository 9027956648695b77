"""Units of results and of fluids, and the factor to the unit of the rules (C.1.2)."""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal, InvalidOperation

from cds_service.knowledge.words import Lab
from cds_service.terminology.text import Words
from cds_service.terminology.types import Strength

_BLANKS = re.compile(r"\s+")
_SIGNS = str.maketrans({"\u03bc": "u", "\u2212": "-"})  # the micro sign, and that of minus


def unit_key(unit: str) -> str:
    """Returns a unit as labs.toml spells it: lower case, single blanks, "u" for micro.

    Full-width letters and raised digits are written as usual ones.
    """
    plain = unit if unit.isascii() else unicodedata.normalize("NFKC", unit)
    return _BLANKS.sub(" ", plain.strip()).translate(_SIGNS).lower()


def factor(lab: Lab, unit: str) -> Decimal | None:
    """Returns the factor of a unit; None if the unit is missing or not accepted."""
    found = lab.units.get(unit_key(unit))
    return None if found is None else Decimal(found)


MG_PER_G = Decimal(1000)
ML_PER_L = Decimal(1000)
# Units of a recorded quantity; names in a text have more spellings.
MILLIGRAMS = {
    "g": MG_PER_G,
    "mg": Decimal(1),
    "ug": 1 / MG_PER_G,
    "mcg": 1 / MG_PER_G,
    "µg": 1 / MG_PER_G,
}
MILLILITERS = {
    "ml": Decimal(1),
    "milliliter": Decimal(1),
    "milliliters": Decimal(1),
    "dl": Decimal(100),
    "l": ML_PER_L,
    "liter": ML_PER_L,
    "liters": ML_PER_L,
}
MG_PER_ML_OF_ONE_PERCENT = Decimal(10)  # 1 g per 100 mL
_LABELLED = Context(
    prec=3
)  # digits of a strength as labels state it: 513 mEq/L is sold as 3 %, not 2.997972 %

_GRAMS = {
    "g": Decimal(1),
    "gm": Decimal(1),
    "gram": Decimal(1),
    "grams": Decimal(1),
    "mg": 1 / MG_PER_G,
}
MASS_UNITS = frozenset({*_GRAMS, "mcg", "ng", "units", "unit", "iu"})
_MMOL = ("meq", "mval", "mmol", "milliequivalent", "milliequivalents", "millimole", "millimoles")
MILLIMOLES = dict.fromkeys(_MMOL, Decimal(1))
_MOLES = {**dict.fromkeys(_MMOL, Decimal(1)), "mol": Decimal(1000)}
_IN_TEXT = {
    **MILLILITERS,
    **dict.fromkeys(("cc", "millilitre", "millilitres"), Decimal(1)),
    **dict.fromkeys(("litre", "litres"), ML_PER_L),
}
_PER_TIME = frozenset({"h", "hr", "hrs", "hour", "hours", "min", "minute", "day", "kg", "d", "std"})
_PER_VOLUME = 5  # words from the amount to the volume unit in "30 mg per 1 ml"


def decimal_of(token: str) -> Decimal | None:
    """Returns a finite number, or None."""
    try:
        number = Decimal(token)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def percent_of_ratio(strength: Strength, percent_per_mmol_ml: Decimal) -> Decimal | None:
    """Returns the percent of a recorded Ratio of sodium chloride; None without a volume."""
    volume = _IN_TEXT.get(_unit(strength.denominator_unit))
    finite = strength.numerator.is_finite() and strength.denominator.is_finite()
    if volume is None or not finite or strength.denominator <= 0:
        return None
    return _percent(
        strength.numerator,
        _unit(strength.numerator_unit),
        strength.denominator * volume,
        percent_per_mmol_ml,
    )


def percent_at(text: Words, at: int, percent_per_mmol_ml: Decimal) -> Decimal | None:
    """Returns the percent that words state: "3 %", "30 mg/ml", "154 meq/l", "3 g/100 ml"."""
    tokens = text.tokens
    number = decimal_of(tokens[at]) if at + 1 < len(tokens) else None
    if number is None:
        return None
    if tokens[at + 1] == "%":
        return number
    volume, _ = per_volume_at(text, at)
    if volume is None:
        return None
    return _percent(number, tokens[at + 1], volume, percent_per_mmol_ml)


def per_volume_at(text: Words, at: int) -> tuple[Decimal | None, int]:
    """Returns the mL to which an amount at a word belongs ("30 mg per 1 ml"), and where it ends."""
    tokens = text.tokens
    end = min(len(tokens), at + _PER_VOLUME)
    per = next((i for i in range(at + 2, end) if tokens[i] in _IN_TEXT), None)
    if per is None or not _says_per(text, at + 1, per):
        return None, at + 2
    denominator = decimal_of(tokens[per - 1]) if per - 1 > at + 1 else None
    return (denominator or Decimal(1)) * _IN_TEXT[tokens[per]], per + 1


def moles_of(number: Decimal, unit: str, gram_per_mmol: Decimal) -> Decimal | None:
    """Returns an amount in mmol; None if its unit is neither of moles nor of mass."""
    if unit in _GRAMS:
        return number * _GRAMS[unit] / gram_per_mmol
    return number * _MOLES[unit] if unit in _MOLES else None


def is_per_volume_unit(text: Words, at: int) -> bool:
    """Whether a word is the unit of "20 mEq KCl/L": a volume behind a stroke, without a number."""
    if at < 1 or text.tokens[at] not in _IN_TEXT or text.tokens[at] in ("cc",):
        return False
    return "/" in text.gap(at - 1, at) or text.tokens[at - 1] == "per"


def volume_of(text: Words) -> Decimal | None:
    """Returns the largest volume that a text names, in mL; rates and denominators do not count."""
    volumes = [volume_ending(text, at) for at in range(1, len(text.tokens))]
    return max(filter(None, volumes), default=None)


def volume_after(text: Words, at: int) -> Decimal | None:
    """Returns the volume in mL that begins at a word, as in "1.2 L"; None if there is none."""
    if at + 1 >= len(text.tokens):
        return None
    number, factor = decimal_of(text.tokens[at]), _IN_TEXT.get(text.tokens[at + 1])
    return None if number is None or factor is None else number * factor


_RATE = re.compile(
    r"(\d+(?:\.\d+)?) ?ml ?(?:/|per) ?(?:hours?|hr?|std)\b"  # 30 mL/h
    r"[^\d]{0,12}?"
    r"(\d+(?:\.\d+)?) ?(?:hours?|hrs?|h|std)\b"  # for 8 h
)


def infused_of(text: Words) -> Decimal | None:
    """Returns the largest rate times duration of a text, in mL: "30 mL/h for 8 h" is 240."""
    found = [Decimal(rate) * Decimal(hours) for rate, hours in _RATE.findall(text.folded)]
    return max(found, default=None)


_DOSE_IN_MOLES = re.compile(
    r"(\d+(?:\.\d+)?) ?(?:meq|mmol|milliequivalents?|millimoles?)\b(?! ?(?:/|per|pro|par))"
)  # 60 mEq, and not 4 mEq/mL


def mmol_of(text: Words) -> Decimal | None:
    """Returns the largest amount in mmol or mEq that a text names; a strength does not count."""
    return max((Decimal(n) for n in _DOSE_IN_MOLES.findall(text.folded)), default=None)


_HOURLY = re.compile(
    r"(\d+(?:\.\d+)?) ?(?:ml|cc) ?(?:/|per|pro|par) ?"
    r"(?:hours?|hrs?|h|std|stunde|heure|hora|ora|uur|timme|time)\b"
)  # 30 mL/h


def hourly_of(text: Words) -> Decimal | None:
    """Returns the largest rate of a text in mL/h: "at 30 mL/h"."""
    return max((Decimal(rate) for rate in _HOURLY.findall(text.folded)), default=None)


def volume_ending(text: Words, at: int) -> Decimal | None:
    """Returns the volume in mL that a word is the unit of; a rate or a denominator gives None."""
    factor = _IN_TEXT.get(text.tokens[at])
    number = decimal_of(text.tokens[at - 1])
    if factor is None or number is None or number <= 0:
        return None
    before = at - 2
    if before >= 0 and "/" in text.gap(before, at - 1):
        return None
    behind = [token for token in text.tokens[at + 1 : at + 3] if token not in ("per", "pro")]
    is_glucose = behind[:1] == ["d"] and behind[1:] and behind[1][0].isdigit()  # "1 L D5W"
    if behind and behind[0] in _PER_TIME and not is_glucose:
        return None
    return number * factor


def _says_per(text: Words, unit: int, volume: int) -> bool:
    """Whether a stroke or "per" is between an amount and its volume, beside a number at most."""
    between = [t for t in text.tokens[unit + 1 : volume] if decimal_of(t) is None]
    gap = text.folded[text.spans[unit][1] : text.spans[volume][0]]
    return between in ([], ["per"]) and ("/" in gap or between == ["per"])


def _percent(
    amount: Decimal, unit: str, volume_ml: Decimal, percent_per_mmol_ml: Decimal
) -> Decimal | None:
    if volume_ml <= 0 or amount < 0:
        return None
    if unit in _GRAMS:
        return amount * _GRAMS[unit] * MG_PER_G / volume_ml / MG_PER_ML_OF_ONE_PERCENT
    if unit not in _MOLES:
        return None
    return _LABELLED.plus(amount * _MOLES[unit] / volume_ml * percent_per_mmol_ml)


def _unit(unit: str) -> str:
    return unit.strip().strip("[]{}").lower()
