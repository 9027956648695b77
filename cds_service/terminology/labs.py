"""From the code of an Observation to an analyte of labs.toml (C.1)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cds_service.knowledge.terms import Lab
from cds_service.terminology.systems import LOINC, canonical
from cds_service.terminology.types import Coded
from cds_service.terminology.units import factor


class LabMatch(Struct, frozen=True):
    """An analyte, and whether the code means whole blood or point of care."""

    analyte: str
    poc: bool = False


class LabResolver:
    """LOINC codes of labs.toml and a site's local ones; a name does not tell the specimen."""

    def __init__(
        self, labs: Mapping[str, Lab], local_codes: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self._labs = labs
        self._codes: dict[tuple[str, str], LabMatch] = {
            (LOINC, code): LabMatch(key, code in lab.poc)
            for key, lab in labs.items()
            for code in lab.loinc
        }
        for (system, code), analyte in (local_codes or {}).items():
            if analyte in labs:
                self._codes[canonical(system), code.strip()] = LabMatch(analyte)

    def unit(self, analyte: str, *recorded: str) -> str:
        """The first recorded unit that labs.toml knows, else the first that is given (C.1.2)."""
        given = [unit for unit in recorded if unit]
        lab = self._labs[analyte]
        return next(
            (unit for unit in given if factor(lab, unit) is not None), given[0] if given else ""
        )

    def resolve(self, coded: Coded) -> LabMatch | None:
        """The analyte of an Observation's code; None where no coding is known or two disagree."""
        found = [
            m
            for c in coded.codings
            if (m := self._codes.get((canonical(c.system), c.code.strip())))
        ]
        if len({match.analyte for match in found}) != 1:
            return None
        return LabMatch(found[0].analyte, all(match.poc for match in found))
