"""Makes small exports of FHIR Bulk Data, as an EHR would write them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def patient(own: str = "p1", **more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "id": own,
        "birthDate": "1950-01-01",
        "gender": "female",
    } | more


def result(
    value: float,
    hours: float,
    *,
    of: str = "p1",
    code: str = "2951-2",
    late: float = 1,
    **more: Any,
) -> Resource:
    """One result that is drawn so many hours after START, and issued `late` hours later."""
    drawn = START + timedelta(hours=hours)
    unit = {"2951-2": "mmol/L", "2947-0": "mmol/L", "2345-7": "mg/dL"}[code]
    return {
        "resourceType": "Observation",
        "id": f"{code}-{of}-{hours:g}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": drawn.isoformat(),
        "issued": (drawn + timedelta(hours=late)).isoformat(),
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    } | more


def order(rxnorm: str, name: str, hours: float, *, of: str = "p1", **more: Any) -> Resource:
    """One prescription that is written so many hours after START."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"m-{of}-{rxnorm}-{hours:g}",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": rxnorm}],
            "text": name,
        },
        "subject": {"reference": f"Patient/{of}"},
        "authoredOn": (START + timedelta(hours=hours)).isoformat(),
    } | more


def sertraline(hours: float, **more: Any) -> Resource:
    return order("312941", "sertraline 50 MG Oral Tablet", hours, **more)


def condition(
    snomed: str, name: str, hours: float | None, *, of: str = "p1", **more: Any
) -> Resource:
    noted = {} if hours is None else {"recordedDate": (START + timedelta(hours=hours)).isoformat()}
    return (
        {
            "resourceType": "Condition",
            "id": f"c-{of}-{snomed}",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {
                "coding": [{"system": "http://snomed.info/sct", "code": snomed, "display": name}]
            },
            "subject": {"reference": f"Patient/{of}"},
        }
        | noted
        | more
    )


def stay(hours: float, ends: float | None, *, of: str = "p1", class_: str = "IMP") -> Resource:
    period = {"start": (START + timedelta(hours=hours)).isoformat()}
    if ends is not None:
        period["end"] = (START + timedelta(hours=ends)).isoformat()
    return {
        "resourceType": "Encounter",
        "id": f"e-{of}-{hours:g}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class_},
        "subject": {"reference": f"Patient/{of}"},
        "period": period,
    }


def write_export(folder: Path, resources: Iterable[Resource]) -> Path:
    """Writes one file a type, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    by_type: dict[str, list[Resource]] = {}
    for one in resources:
        by_type.setdefault(one["resourceType"], []).append(one)
    for kind, found in by_type.items():
        lines = "".join(json.dumps(one) + "\n" for one in found)
        (folder / f"{kind}.000.ndjson").write_text(lines, encoding="utf-8")
    return folder
