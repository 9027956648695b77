"""The order menu of the demo, as FHIR resources without patient, id and date."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_SNOMED = "http://snomed.info/sct"
_UCUM = "http://unitsofmeasure.org"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the order menu."""

    group: str
    label: str
    name: str  # what the order calls it
    code: str = ""  # RxNorm; for a diet, SNOMED CT
    type: Literal["MedicationRequest", "NutritionOrder"] = "MedicationRequest"
    dose: float = 0
    unit: str = ""
    times: int = 1  # a day
    route: str = ""

    def resource(self) -> dict[str, Any]:
        """Returns the draft order of this line."""
        order: dict[str, Any] = {
            "resourceType": self.type,
            "status": "draft",
            "intent": "order",
        }
        if self.type == "NutritionOrder":
            coding = _coding(_SNOMED, self.code, "Fluid restricted diet")
            return order | {"oralDiet": {"type": [{"coding": [coding], "text": self.name}]}}
        concept: dict[str, Any] = {"text": self.name}
        if self.code:
            concept = {"coding": [_coding(_RXNORM, self.code, self.name)]} | concept
        order["medicationCodeableConcept"] = concept
        if self.dose:
            order["dosageInstruction"] = [self._dosage()]
        return order

    def _dosage(self) -> dict[str, Any]:
        quantity = {"value": self.dose, "unit": self.unit, "system": _UCUM, "code": self.unit}
        dosage: dict[str, Any] = {
            "timing": {"repeat": {"frequency": self.times, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": quantity}],
        }
        if self.route:
            dosage["route"] = {"text": self.route}
        return dosage


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order: dict[str, Entry]


@cache
def formulary() -> dict[str, Entry]:
    """Returns the order menu by key, in the order of formulary.toml."""
    path = Path(__file__).with_name("formulary.toml")
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).order


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}
