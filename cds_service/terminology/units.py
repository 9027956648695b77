"""Which units a result may carry, and the factor to the unit of the rules (C.1.2). All else is refused."""

from __future__ import annotations

import re
from decimal import Decimal

from cds_service.knowledge.terms import Lab

_BLANKS = re.compile(r"\s+")
_SIGNS = str.maketrans(
    {"\u00b5": "u", "\u03bc": "u", "\u00b2": "2"}
)  # both micro signs, and a raised 2


def unit_key(unit: str) -> str:
    """A unit as labs.toml spells it: lower case, single blanks, "u" for micro; "" where it is missing."""
    return _BLANKS.sub(" ", unit.strip()).translate(_SIGNS).lower()


def factor(lab: Lab, unit: str) -> Decimal | None:
    """What a value in `unit` is multiplied by; None where the unit is missing or not accepted."""
    found = lab.units.get(unit_key(unit))
    return None if found is None else Decimal(found)


def convert(lab: Lab, value: Decimal, unit: str) -> Decimal | None:
    """The value in the unit of the rules; None where the unit is missing or refused, or it is no number."""
    by = factor(lab, unit)
    return value * by if by is not None and value.is_finite() else None
