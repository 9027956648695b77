"""Bodies as large as a hospital's are made here: many results, many drugs, and padding.

The idea is that of bench/traffic.py, which is not used, because it may change.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.golden.bodies import Body, blank, borrowed, resources, stories
from tests.golden.dice import Dice

_NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_LOW, _HEALTHY = (133, 131, 129, 127, 124, 121, 118), (141, 140, 139, 138, 137)
_DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p><b>Generated</b> <i>narrative</i></p></div>'
_OID = "urn:oid:1.2.840.114350.1.13.0.1.7"


def ward_body(dice: Dice, results: int, orders: int) -> Body:
    """A patient has so many results and so many drug orders, the drugs taken from all stories."""
    body = blank(dice.one(stories()))
    patient = body["context"]["patientId"]
    body["prefetch"]["sodium"] = _bundle(_sodium(dice, patient, results))
    body["prefetch"]["medications"] = _bundle(_orders(dice, body, orders))
    return body


def _sodium(dice: Dice, patient: str, count: int) -> list[Body]:
    level = dice.one(_LOW if dice.happens(0.6) else _HEALTHY)
    newest = _NOW - timedelta(hours=dice.between(1, 5))
    found = []
    for number in range(count):
        drawn = newest - timedelta(days=number, minutes=dice.between(0, 300))
        value = level + min(number, 3) + dice.between(-1, 1)
        found.append(_padded("Observation", number, patient) | _result(drawn, value))
    return found


def _result(drawn: datetime, value: int) -> Body:
    code = {"system": "http://loinc.org", "code": "2951-2", "display": "Sodium"}
    local = {"system": f"{_OID}.5.737384.0", "code": "1234", "display": "SODIUM"}
    return {
        "status": "final",
        "code": {"coding": [local, code], "text": "Sodium"},
        "effectiveDateTime": drawn.isoformat().replace("+00:00", "Z"),
        "issued": (drawn + timedelta(minutes=50)).isoformat(timespec="milliseconds"),
        "valueQuantity": {"value": value, "unit": "mmol/L"},
        "referenceRange": [{"low": {"value": 135}, "high": {"value": 145}}],
    }


def _orders(dice: Dice, body: Body, count: int) -> list[Body]:
    found: list[Body] = []
    patient = body["context"]["patientId"]
    while len(found) < count:
        body["prefetch"]["medications"] = borrowed(dice.one(stories()), "medications", body)
        for order in resources(body, "medications"):
            since = _NOW - timedelta(days=dice.between(2, 300))
            padding = _padded("MedicationRequest", len(found), patient)
            found.append(padding | order | {"id": padding["id"], "authoredOn": since.isoformat()})
    return found[:count]


def _padded(kind: str, number: int, patient: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": f"{kind[:3].lower()}-{number:04}-eXyZ.aBcDeFgHiJkLmNoPqRs",
        "meta": {"versionId": f"{number}", "lastUpdated": "2026-11-19T08:15:30.123+01:00"},
        "text": {"status": "generated", "div": _DIV * 4},
        "identifier": [{"use": "official", "system": _OID, "value": f"ID-{number * 7919:08}"}],
        "subject": {"reference": f"Patient/{patient}", "display": "Example, Ada"},
    }


def _bundle(found: list[Body]) -> Body:
    base = "https://ehr.example.org/fhir/r4"
    urls = [f"{base}/{one['resourceType']}/{one['id']}" for one in found]
    entries = [{"fullUrl": url, "resource": one} for url, one in zip(urls, found, strict=True)]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}
