"""Which units a result may carry, and the factor to the unit that rules use (C.1.2). Anything else is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from cds_service.knowledge.terms import Lab

_BLANKS = re.compile(r"\s+")
_MICRO = str.maketrans({"µ": "u", "μ": "u", "²": "2"})


def unit_key(unit: str) -> str:
    """A unit as labs.toml spells it: lower case, single blanks, "u" for micro."""
    return _BLANKS.sub(" ", unit.strip()).translate(_MICRO).lower()


class Units:
    """The units of every analyte of labs.toml."""

    def __init__(self, labs: Mapping[str, Lab]) -> None:
        self._factors = {
            key: {unit_key(unit): Decimal(factor) for unit, factor in lab.units.items()} for key, lab in labs.items()
        }
        self._unit = {key: lab.unit for key, lab in labs.items()}

    def factor(self, analyte: str, unit: str) -> Decimal | None:
        """What a value in `unit` is multiplied by; None where the unit is missing or not accepted."""
        return self._factors.get(analyte, {}).get(unit_key(unit))

    def convert(self, analyte: str, value: Decimal, unit: str) -> Decimal | None:
        """The value in the unit that rules use; None where the unit is missing, refused or the value not finite."""
        factor = self.factor(analyte, unit)
        return value * factor if factor is not None and value.is_finite() else None

    def accepts(self, analyte: str, unit: str) -> bool:
        """Whether a result in this unit may be read."""
        return self.factor(analyte, unit) is not None

    def unit(self, analyte: str) -> str:
        """The unit that rules use; "" for coded values and unknown analytes."""
        return self._unit.get(analyte, "")

    @staticmethod
    def missing(unit: str) -> bool:
        """Whether a result carries no unit at all."""
        return not unit.strip()
