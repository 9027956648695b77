"""Resources of another FHIR version, told by the element that carries their meaning."""

from __future__ import annotations

from cds_service.records.elements import Element, child

_ORDERS = frozenset({"MedicationRequest", "MedicationStatement", "MedicationAdministration"})


def is_unreadable(resource: Element, kind: str) -> bool:
    """Whether a resource says what it is about in a place where R4, STU3, DSTU2 and R5 do not look.

    Older and newer shapes that the reader understands (MedicationOrder, R5's CodeableReference) are readable.
    """
    if kind == "Observation":
        return (
            "name" in resource and bool(child(resource, "name")) and not child(resource, "code")
        )  # DSTU1
    if kind == "MedicationPrescription":
        return True  # DSTU1
    if kind in _ORDERS and "medication" in resource:
        medication = child(resource, "medication")
        known = ("concept", "reference", "coding", "text")
        return not any(name in medication for name in known)
    return False
