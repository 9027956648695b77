"""Legal bodies that cost the most, and a usual one to compare them with. All of it is synthetic.

`bench/worst.py` measures them too, in an environment without the tools of development: this module
imports the standard library only.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

VIEW, SELECT = "hyponatremia-patient-view", "hyponatremia-order-select"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT = "p1"
FULL = 1_950_000  # bytes of resources in a body of at most 2 MB
NOTHING = {"resourceType": "Bundle", "type": "searchset", "total": 0}
# Names that the matcher knows, and words of their neighbourhood that it has to weigh.
WORDS = [
    "sertraline",
    "hydrochlorothiazide",
    "carbamazepine",
    "citalopram",
    "fluoxetine",
    "desmopressin",
    "indapamide",
    "venlafaxine",
    "duloxetine",
    "mirtazapine",
    "oxcarbazepine",
    "chlorthalidone",
    "amiloride",
    "spironolactone",
    "tolvaptan",
    "furosemide",
    "omeprazole",
    "haloperidol",
    "cyclophosphamide",
    "vincristine",
    "morphine",
    "tramadol",
    "ibuprofen",
    "sodium",
    "chloride",
    "3",
    "%",
    "0.9",
    "%",
    "bolus",
    "infusion",
    "tablet",
    "and",
    "with",
    "without",
    "stop",
    "avoid",
]
MIXED = (
    "sodium chloride 3 % 500 mL infusion",
    "sertraline 50 MG Oral Tablet",
    "hydrochlorothiazide 25 MG Oral Tablet",
    "dextrose 5 % 1000 mL infusion",
    "tolvaptan 15 MG Oral Tablet",
    "desmopressin 0.1 MG Oral Tablet",
    "carbamazepine 200 MG Oral Tablet",
)


class Body:
    """One body, and the service that it is sent to."""

    def __init__(self, service: str, value: Mapping[str, Any]) -> None:
        self.service = service
        self.content = json.dumps(value, separators=(",", ":")).encode()

    @property
    def path(self) -> str:
        """Where it is posted."""
        return f"/cds-services/{self.service}"


def bundle(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A searchset of these resources."""
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def order(number: int, name: str, status: str = "active") -> dict[str, Any]:
    """A medication order that only a text names."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"m{number}",
        "status": status,
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "authoredOn": "2026-11-01T08:00:00Z",
        "medicationCodeableConcept": {"text": name},
    }


def coded(number: int) -> dict[str, Any]:
    """A medication order as most are: with a code, its name and a dose."""
    made = order(number, "lisinopril 10 MG Oral Tablet")
    made["medicationCodeableConcept"]["coding"] = [
        {"system": RXNORM, "code": "314076", "display": "lisinopril 10 MG Oral Tablet"}
    ]
    repeat = {"frequency": 1, "period": 1, "periodUnit": "d"}
    made["dosageInstruction"] = [{"text": "once daily", "timing": {"repeat": repeat}}]
    return made


def sodium(number: int, now: datetime, value: float) -> dict[str, Any]:
    """A sodium result, taken so many days ago."""
    taken = (now - timedelta(days=number, hours=2)).isoformat(timespec="seconds")
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}], "text": "Sodium"},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": taken,
        "valueQuantity": {
            "value": value,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def call(
    hook: str,
    prefetch: Mapping[str, Any],
    context: Mapping[str, Any] | None = None,
    lowest: float = 126,
) -> dict[str, Any]:
    """A hook call of one patient with low sodium, whose whole prefetch came."""
    now = datetime.now(UTC)
    birth = {
        "resourceType": "Patient",
        "id": PATIENT,
        "birthDate": "1950-03-02",
        "gender": "female",
    }
    results = [sodium(n, now, lowest + min(n, 8)) for n in range(10)]
    known = {"patient": birth, "sodium": bundle(results)}
    empty = dict.fromkeys(("glucose", "labs", "vitals", "conditions", "medications"), NOTHING)
    return {
        "hook": hook,
        "hookInstance": "6f0e3c0e-6a5b-4a52-9a0e-0b7f6f5b2a01",
        "context": {"userId": "Practitioner/d1", "patientId": PATIENT, **(context or {})},
        "prefetch": {**empty, **known, "pastMedications": NOTHING, **prefetch},
    }


def names(seed: int, length: int = 120) -> Iterator[str]:
    """Names of so many words, no two the same, so that no memory of names helps."""
    dice = random.Random(seed)
    for number in itertools.count():
        yield " ".join([f"x{number}", *dice.choices(WORDS, k=length - 1)])


def filling(texts: Iterable[str], status: str = "active") -> list[dict[str, Any]]:
    """As many orders of these names as one body may hold."""
    orders, left = [], FULL
    for number, text in enumerate(texts):
        orders.append(order(number, text, status))
        left -= len(json.dumps(orders[-1], separators=(",", ":"))) + len('{"resource":},')
        if left < 0:
            return orders[:-1]
    return orders


def view(medications: Sequence[Mapping[str, Any]]) -> Body:
    """A patient-view with these medication orders."""
    return Body(VIEW, call("patient-view", {"medications": bundle(medications)}))


def select(drafts: Sequence[Mapping[str, Any]], selected: int) -> Body:
    """An order-select with these drafts, of which the first ones are selected."""
    chosen = [f"MedicationRequest/{one['id']}" for one in drafts[:selected]]
    context = {"selections": chosen, "draftOrders": bundle(drafts)}
    return Body(SELECT, call("order-select", {}, context))


def usual(seed: int = 0) -> Body:
    """A usual call: ten sodium results and twenty orders."""
    return view([coded(seed + n) for n in range(20)])


def _drafts(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [order(n, text, "draft") for n, text in enumerate(texts)]


def _mixed(count: int) -> Iterable[str]:
    return (f"{name} {n}" for n, name in enumerate(itertools.islice(itertools.cycle(MIXED), count)))


def worst() -> dict[str, Callable[[int], Body]]:
    """The five worst bodies of the trials, by what they hold.

    Each seed gives other names, and no two bodies have one in common: a name is remembered.
    """

    def salt(seed: int) -> Iterator[str]:
        return (f"sodium chloride 3 % 500 mL {seed} {number}" for number in range(1700))

    return {
        "2 MB of orders of 120 words": lambda seed: view(filling(names(seed))),
        "1,700 mixed drafts, all selected": lambda seed: select(_drafts(_mixed(1700)), 1700),
        "1,700 drafts of 3 % saline, all selected": lambda seed: select(_drafts(salt(seed)), 1700),
        "2 MB of drafts of 120 words, one selected": lambda seed: select(
            filling(names(seed + 10_000), "draft"), 1
        ),
        "100 orders of 120 words": lambda seed: view(
            [order(n, text) for n, text in enumerate(itertools.islice(names(seed + 20_000), 100))]
        ),
    }
