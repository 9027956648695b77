"""The request of all benchmarks, a patient-view of about 90 kB, and the typed shape that reads it.

It has one Patient, 20 Observations and 20 MedicationRequests, with the padding of a real EHR: meta,
narrative, identifiers, displays. Everything is synthetic.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
OID = "urn:oid:1.2.840.114350.1.13.0.1.7"
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SODIUM = "Sodium [Moles/volume] in Serum or Plasma"
START = "2026-10-01T00:00:00+01:00"
DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p><b>Generated Narrative</b></p>'
    "<p>status: final</p>"
    "<p>value: {} mmol/L (reference range 135-145 mmol/L), interpretation: Low</p></div>"
)


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept with one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def quantity(value: float, unit: str) -> dict[str, Any]:
    """A UCUM Quantity."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def common(kind: str, number: int, profile: str) -> dict[str, Any]:
    """What both resource types carry: id, meta, identifier, subject, encounter."""
    return {
        "resourceType": kind,
        "id": f"{kind[:3].lower()}-{number:04d}-eXyZ.aBcDeFgHiJkLmNoPqRs",
        "meta": {
            "versionId": str(number),
            "lastUpdated": f"2026-11-{number % 28 + 1:02d}T08:15:30.123+01:00",
            "source": OID,
            "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/{profile}"],
        },
        "identifier": [
            {"use": "official", "system": f"{OID}.2.798268", "value": f"ID-{number * 7919:08d}"}
        ],
        "subject": {"reference": "Patient/p1", "display": "Example, Ada"},
        "encounter": {"reference": "Encounter/e1"},
    }


def observation(number: int) -> dict[str, Any]:
    """One sodium result."""
    value = float(f"{139 - number}.{number % 10}")
    return common("Observation", number, "us-core-observation-lab") | {
        "text": {"status": "generated", "div": DIV.format(value)},
        "basedOn": [{"reference": f"ServiceRequest/sr-{number:06d}"}],
        "status": "final",
        "category": [concept(TERMINOLOGY + "observation-category", "laboratory", "Laboratory")],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": "2951-2", "display": SODIUM},
                {"system": f"{OID}.5.737384.0", "code": f"1234{number:03d}", "display": "SODIUM"},
            ],
            "text": "Sodium",
        },
        "effectiveDateTime": f"2026-11-{number % 28 + 1:02d}T07:{number:02d}:00+01:00",
        "issued": f"2026-11-{number % 28 + 1:02d}T07:59:11.000+01:00",
        "performer": [{"reference": "Practitioner/d1", "display": "Lab, Central"}],
        "valueQuantity": quantity(value, "mmol/L"),
        "interpretation": [concept(TERMINOLOGY + "v3-ObservationInterpretation", "L", "Low")],
        "specimen": {"reference": f"Specimen/s{number:06d}", "display": "Blood"},
        "referenceRange": [{"low": quantity(135, "mmol/L"), "high": quantity(145, "mmol/L")}],
    }


def medication_request(number: int) -> dict[str, Any]:
    """One order for hydrochlorothiazide."""
    drug = concept(RXNORM, "310798", "hydrochlorothiazide 25 MG Oral Tablet")
    kind = concept(TERMINOLOGY + "dose-rate-type", "ordered", "Ordered")
    dose = {"type": kind, "doseQuantity": quantity(25, "mg")}
    repeat = {"boundsPeriod": {"start": START}, "frequency": 1, "period": 1.0, "periodUnit": "d"}
    return common("MedicationRequest", number, "us-core-medicationrequest") | {
        "status": "active",
        "intent": "order",
        "category": [
            concept(TERMINOLOGY + "medicationrequest-category", "outpatient", "Outpatient")
        ],
        "reportedBoolean": False,
        "medicationCodeableConcept": drug,
        "authoredOn": f"2026-10-{number % 28 + 1:02d}T10:00:00+01:00",
        "requester": {
            "reference": "Practitioner/d1",
            "type": "Practitioner",
            "display": "Doe, John, MD",
        },
        "reasonCode": [concept("http://snomed.info/sct", "59621000", "Essential hypertension")],
        "dosageInstruction": [
            {
                "sequence": 1,
                "text": "Take 1 tablet (25 mg) by mouth once daily in the morning",
                "timing": {"repeat": repeat, "code": {"text": "Daily"}},
                "asNeededBoolean": False,
                "route": concept("http://snomed.info/sct", "26643006", "Oral route"),
                "doseAndRate": [dose],
            }
        ],
        "dispenseRequest": {
            "validityPeriod": {"start": START},
            "numberOfRepeatsAllowed": 3,
            "quantity": {"value": 90, "unit": "tablet"},
            "expectedSupplyDuration": quantity(90, "d"),
        },
    }


def bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A searchset."""
    base = "https://ehr.example.org/fhir/r4"
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [
            {
                "fullUrl": f"{base}/{r['resourceType']}/{r['id']}",
                "resource": r,
                "search": {"mode": "match"},
            }
            for r in resources
        ],
    }


def patient_view(observations: int = 20, orders: int = 20) -> bytes:
    """The request body."""
    patient = common("Patient", 1, "us-core-patient") | {
        "id": "p1",
        "name": [{"use": "official", "family": "Example", "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1948-03-02",
    }
    call = {
        "hook": "patient-view",
        "hookInstance": "6f0e3c0e-6a5b-4a52-9a0e-0b7f6f5b2a01",
        "fhirServer": "https://ehr.example.org/fhir/r4",
        "context": {"userId": "Practitioner/d1", "patientId": "p1", "encounterId": "e1"},
        "prefetch": {
            "patient": patient,
            "sodium": bundle([observation(n) for n in range(observations)]),
            "medications": bundle([medication_request(n) for n in range(orders)]),
        },
    }
    return json.dumps(call).encode()


def bounded(value: Decimal | str) -> Decimal:
    """Returns a finite number within a double; msgspec reads the string "NaN" as a number too."""
    number = Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > 300:
        raise ValueError("not a usable number")
    return number


class Coding(msgspec.Struct, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class Concept(msgspec.Struct):
    coding: list[Coding] = []
    text: str | None = None


class Reference(msgspec.Struct, gc=False):
    reference: str | None = None


class Quantity(msgspec.Struct, gc=False):
    value: Decimal | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None
    comparator: str | None = None

    def __post_init__(self) -> None:
        if self.value is not None:
            bounded(self.value)


class Resource(msgspec.Struct, rename="camel"):
    """The fields of Observation and MedicationRequest that a sodium rule looks at."""

    resource_type: str
    id: str | None = None
    status: str | None = None
    intent: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    effective_date_time: str | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    authored_on: str | None = None


class Entry(msgspec.Struct):
    resource: Resource | None = None


class RawEntry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"null")


class Bundle(msgspec.Struct, rename="camel"):
    resource_type: str = "Bundle"
    entry: list[Entry] = []


class Patient(msgspec.Struct, rename="camel", gc=False):
    resource_type: str
    id: str | None = None
    gender: str | None = None
    birth_date: str | None = None


class Prefetch(msgspec.Struct):
    patient: Patient | None = None
    sodium: Bundle = msgspec.field(default_factory=Bundle)
    medications: Bundle = msgspec.field(default_factory=Bundle)


class Call(msgspec.Struct, rename="camel"):
    """A patient-view request, read in one go: one wrong element refuses the whole body."""

    hook: str
    hook_instance: str
    context: dict[str, Any]
    fhir_server: str | None = None
    prefetch: Prefetch | None = None
