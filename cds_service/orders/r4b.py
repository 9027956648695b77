"""Whether a resource is valid R4, by the models of fhir.resources.

Only this module imports them, and only when they are needed: the import takes a third of the time
of a start (docs/decisions/0008).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cds_service.protocol.wire import encode

# Each start must know that our drafts are valid R4, and validating them takes long. So a test
# validates the drafts of this release in each language, and their SHA-256 is here. A start that
# builds the same drafts, byte for byte, relies on that; a site that changed hooks/ builds and
# validates others.
KNOWN_VALID = frozenset(
    {
        "57b75cd144fdc45c9c98e54bde30552385611e9c5d113b7b818b28efe26167ca",
        "6672475e132839a8b0477517b0a607278fec081c01e69cc917c6ee686e430225",
        "beaa1333a8da5e91832d7999442a574ba17c9a897c85a661b1813b8061eb48e2",
        "d9add39e3cb12e44756e2e109703ba48c1a6d8a07658e757a7654a811ebdddd6",
    }
)
_SOME_ORDER = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {
        "coding": [{"system": "http://example.org", "code": "x"}],
        "text": "x",
    },
    "subject": {"reference": "Patient/x"},
    "dosageInstruction": [
        {"timing": {"repeat": {"frequency": 1}}, "doseAndRate": [{"doseQuantity": {"value": 1}}]}
    ],
    "dispenseRequest": {"expectedSupplyDuration": {"value": 1}},
}


def known_valid(drafts: Iterable[Mapping[str, Any]]) -> bool:
    """Whether exactly these drafts, in this order, were validated when this release was made."""
    return digest(drafts) in KNOWN_VALID


def digest(drafts: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of drafts as they would be sent."""
    return hashlib.sha256(b"\n".join(encode(draft) for draft in drafts)).hexdigest()


def validate(resource: Mapping[str, object]) -> None:
    """Raises ValueError if it is not valid R4, KeyError if it is of no kind that we send.

    On JSON that no server should send, the model raises more than that.
    """
    _model(str(resource.get("resourceType"))).model_validate(resource)


def load_for_stops() -> None:
    """Imports what a stop will need; a thread does so beside the first calls."""
    validate(_SOME_ORDER)


@cache
def _model(kind: str) -> type[Any]:
    if kind == "MedicationRequest":
        from fhir.resources.R4B.medicationrequest import MedicationRequest

        return MedicationRequest
    if kind == "NutritionOrder":
        from fhir.resources.R4B.nutritionorder import NutritionOrder

        return NutritionOrder
    if kind == "ServiceRequest":
        from fhir.resources.R4B.servicerequest import ServiceRequest

        return ServiceRequest
    raise KeyError(kind)
