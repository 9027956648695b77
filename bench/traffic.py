"""Hook calls as a hospital sends them: many patients, similar medicines, no two calls the same.

`usual` is 1 Patient, 20 sodium results and 20 orders, about 90 kB; `large` is 200 and 100, about
630 kB. Three in ten patients have low sodium and get a card; the others get no card after the same
work. Everything is synthetic.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from sample_request import (
    RXNORM,
    TERMINOLOGY,
    bundle,
    concept,
    medication_request,
    observation,
    patient_view,
)

SNOMED = "http://snomed.info/sct"
HEALTHY, LOW = (141, 140, 139, 138, 137), (132, 129, 124)
LOW_OF_TEN = 3
# The medicines of a general ward; about a third concern a rule.
MEDICINES = (
    ("310798", "hydrochlorothiazide 25 MG Oral Tablet"),
    ("312940", "sertraline 25 MG Oral Tablet"),
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("197361", "amlodipine 5 MG Oral Tablet"),
    ("617312", "atorvastatin 20 MG Oral Tablet"),
    ("861007", "metformin hydrochloride 500 MG Oral Tablet"),
    ("966224", "levothyroxine sodium 0.075 MG Oral Tablet"),
    ("866514", "metoprolol tartrate 50 MG Oral Tablet"),
    ("198051", "omeprazole 20 MG Delayed Release Oral Capsule"),
    ("313782", "acetaminophen 325 MG Oral Tablet"),
    ("243670", "aspirin 81 MG Oral Tablet"),
    ("310430", "gabapentin 100 MG Oral Capsule"),
    ("197591", "diazepam 5 MG Oral Tablet"),
    ("309362", "clopidogrel 75 MG Oral Tablet"),
    ("855332", "warfarin sodium 5 MG Oral Tablet"),
    ("313988", "furosemide 40 MG Oral Tablet"),
    ("245314", "albuterol 0.83 MG/ML Inhalation Solution"),
    ("351264", "citalopram 20 MG Oral Tablet"),
    ("308971", "carbamazepine 100 MG Chewable Tablet"),
    ("1049621", "oxycodone hydrochloride 5 MG Oral Tablet"),
    ("310466", "simvastatin 20 MG Oral Tablet"),
    ("199329", "losartan potassium 50 MG Oral Tablet"),
    ("198440", "acetaminophen 500 MG Oral Tablet"),
    ("313820", "cholecalciferol 1000 UNT Oral Tablet"),
    ("197319", "allopurinol 100 MG Oral Tablet"),
    ("835829", "tamsulosin hydrochloride 0.4 MG Oral Capsule"),
)
PROBLEMS = (
    ("59621000", "Essential hypertension"),
    ("44054006", "Type 2 diabetes mellitus"),
    ("13644009", "Hypercholesterolemia"),
)
NOTHING = {"resourceType": "Bundle", "type": "searchset", "total": 0}


def usual(seed: int) -> bytes:
    """The body of a patient-view of about 90 kB; another patient for each seed."""
    return call(seed, 20, 20)


def large(seed: int) -> bytes:
    """The body of a patient-view of about 630 kB."""
    return call(seed, 200, 100)


def call(seed: int, observations: int, orders: int) -> bytes:
    """One patient-view with its whole prefetch, as of now."""
    dice, now = random.Random(seed), datetime.now(UTC)
    patient, encounter = f"p{seed:05d}", f"e{seed:05d}"
    body = json.loads(patient_view(0, 0))
    body["hookInstance"] = f"6f0e3c0e-6a5b-4a52-9a0e-{seed:012x}"
    body["context"] |= {"patientId": patient, "encounterId": encounter}
    subject = {"reference": f"Patient/{patient}"}
    body["prefetch"]["patient"] |= {"id": patient, "birthDate": f"{dice.randint(1935, 1985)}-03-02"}
    body["prefetch"] |= {
        "encounter": {
            "resourceType": "Encounter",
            "id": encounter,
            "status": "in-progress",
            "class": {"system": f"{TERMINOLOGY}v3-ActCode", "code": "IMP"},
            "subject": subject,
        },
        "sodium": bundle(_results(dice, now, observations, subject)),
        "glucose": NOTHING,
        "labs": NOTHING,
        "conditions": bundle(
            [_problem(number, subject, *named) for number, named in enumerate(PROBLEMS)]
        ),
        "medications": bundle(_orders(dice, now, orders, subject)),
    }
    return json.dumps(body).encode()


def _results(
    dice: random.Random, now: datetime, count: int, subject: dict[str, str]
) -> list[dict[str, Any]]:
    """Sodium once a day, newest first, steady within a few mmol/L."""
    level = dice.choice(LOW if dice.randint(1, 10) <= LOW_OF_TEN else HEALTHY)
    newest = now - timedelta(hours=dice.randint(1, 5))
    results = []
    for number in range(count):
        drawn = newest - timedelta(days=number, minutes=dice.randint(0, 300))
        result = observation(number % 100) | {"subject": subject, "id": f"o{dice.randrange(10**9)}"}
        result["effectiveDateTime"] = drawn.isoformat(timespec="seconds")
        result["issued"] = (drawn + timedelta(minutes=50)).isoformat(timespec="milliseconds")
        result["valueQuantity"]["value"] = level + min(number, 3) + dice.randint(-1, 1)
        results.append(result)
    return results


def _orders(
    dice: random.Random, now: datetime, count: int, subject: dict[str, str]
) -> list[dict[str, Any]]:
    chosen = [
        named
        for _ in range(count // len(MEDICINES) + 1)
        for named in dice.sample(MEDICINES, len(MEDICINES))
    ]
    orders = []
    for number, (code, name) in enumerate(chosen[:count]):
        since = (now - timedelta(days=dice.randint(2, 300))).isoformat(timespec="seconds")
        order = medication_request(number) | {
            "subject": subject,
            "id": f"m{dice.randrange(10**9)}",
            "authoredOn": since,
        }
        order["medicationCodeableConcept"] = concept(RXNORM, code, name)
        order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] = {"start": since}
        orders.append(order)
    return orders


def _problem(number: int, subject: dict[str, str], code: str, name: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": subject,
        "clinicalStatus": concept(f"{TERMINOLOGY}condition-clinical", "active", "Active"),
        "verificationStatus": concept(
            f"{TERMINOLOGY}condition-ver-status", "confirmed", "Confirmed"
        ),
        "category": [
            concept(f"{TERMINOLOGY}condition-category", "problem-list-item", "Problem List Item")
        ],
        "code": concept(SNOMED, code, name),
        "recordedDate": "2025-03-01",
    }
