"""How long reading a Bundle takes beside validating it: the measurement of docs/decisions/0004."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.records.fhir_types import as_resources
from cds_service.records.prefetch import Source
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.terminology.vocabulary import Vocabulary, vocabulary

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SUBJECT = {"reference": "Patient/p"}
MOST_RESOURCES = 1000
MOST_ROUNDS = 500
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DRUGS = (
    ("312940", "Sertraline 25 MG Oral Tablet"),
    ("310798", "Hydrochlorothiazide 25 MG Oral Tablet"),
    ("314076", "Lisinopril 10 MG Oral Tablet"),
    ("197361", "Amlodipine 5 MG Oral Tablet"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """CPU milliseconds for one Bundle, median of the rounds."""

    name: str
    validating: float
    reading: float

    @property
    def line(self) -> str:
        """One line of the report."""
        ratio = self.validating / self.reading
        return f"{self.name:<22}{self.validating:>10.2f} ms{self.reading:>10.2f} ms{ratio:>9.0f} x"


def observations(count: int) -> list[dict[str, Any]]:
    """Sodium results as US Core has them."""
    return [
        {
            "resourceType": "Observation",
            "id": f"o{n}",
            "status": "final",
            "category": [{"coding": [{"code": "laboratory"}]}],
            "subject": SUBJECT,
            "code": {
                "coding": [{"system": LOINC, "code": "2951-2", "display": "Sodium"}],
                "text": "Sodium",
            },
            "valueQuantity": {"value": 128 + n % 10, "unit": "mmol/L", "code": "mmol/L"},
            "effectiveDateTime": f"2026-11-{1 + n % 20:02d}T10:00:00Z",
            "issued": f"2026-11-{1 + n % 20:02d}T11:00:00Z",
        }
        for n in range(count)
    ]


def orders(count: int) -> list[dict[str, Any]]:
    """Prescriptions as US Core has them."""
    return [
        {
            "resourceType": "MedicationRequest",
            "id": f"m{n}",
            "status": "active",
            "intent": "order",
            "subject": SUBJECT,
            "medicationCodeableConcept": {
                "coding": [
                    {
                        "system": RXNORM,
                        "code": DRUGS[n % len(DRUGS)][0],
                        "display": DRUGS[n % len(DRUGS)][1],
                    }
                ]
            },
            "authoredOn": "2026-11-01",
            "dosageInstruction": [
                {
                    "text": "1 tablet daily",
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                    "doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg"}}],
                }
            ],
        }
        for n in range(count)
    ]


# What public records and the CDS Hooks Sandbox really send: one such entry among good ones.
QUIRKS: dict[str, dict[str, Any]] = {
    "category as an object": {"category": {"text": "laboratory"}},
    "a time without seconds": {"effectiveDateTime": "2026-11-21T10:00Z"},
    "a time without zone": {"effectiveDateTime": "2026-11-21T10:00:00"},
    "a vendor's own element": {"vendorField": 1},
    "an id with an underscore": {"id": "a_b"},
    "status with a blank": {"status": "entered-in-error "},
    "a number as text": {"valueQuantity": {"value": "128", "unit": "mmol/L"}},
    "an unknown status": {"status": "bogus"},
}


def refused(good: list[dict[str, Any]]) -> list[str]:
    """The quirks for which the whole Bundle is refused."""
    refusing = []
    for name, quirk in QUIRKS.items():
        entries = [*good[1:], good[0] | quirk]
        bundle = {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": r} for r in entries],
        }
        try:
            Bundle.model_validate(bundle)
        except ValidationError:
            refusing.append(name)
    return refusing


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """The median CPU time of one run, after one run to warm up."""
    work()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1000


def measure(
    name: str, resources: Sequence[dict[str, Any]], words: Vocabulary, rounds: int
) -> Result:
    """Validate one Bundle and read it."""
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": resource} for resource in resources],
    }
    parts = CallRecords(
        patient_id="p",
        now=NOW,
        sources={"all": Source(state="satisfied", resources=as_resources(resources))},
    )
    return Result(
        name=name,
        validating=cpu_ms(lambda: Bundle.model_validate(bundle), rounds),
        reading=cpu_ms(lambda: read_snapshot(parts, words), rounds),
    )


def bounded(most: int) -> Callable[[str], int]:
    """An argument between 1 and `most`."""

    def parse(value: str) -> int:
        number = int(value)
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be between 1 and {most}")
        return number

    return parse


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--resources", type=bounded(MOST_RESOURCES), default=20, help="per Bundle (20)"
    )
    parser.add_argument("--rounds", type=bounded(MOST_ROUNDS), default=50, help="runs of each (50)")
    given = parser.parse_args()
    knowledge = load_knowledge(default_hooks_dir())
    words = vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders)
    print(f"{'':<22}{'validating':>13}{'reading':>13}{'ratio':>11}")
    for name, make in (("Observation", observations), ("MedicationRequest", orders)):
        label = f"{given.resources} {name}s"
        print(measure(label, make(given.resources), words, given.rounds).line)
    lost = refused(observations(given.resources))
    print(
        f"validation refuses the whole Bundle for {len(lost)} of {len(QUIRKS)} quirks: "
        + ", ".join(lost)
    )
    print(
        "our reading keeps all other entries beside each of them (tests/records/test_reader_*.py)"
    )


if __name__ == "__main__":
    main()
