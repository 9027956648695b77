"""Hook calls from a few words: FHIR JSON in, cards out, through the whole service without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from cds_service.cli.replay import evaluate, offline_pipeline
from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.knowledge.load import default_hooks_dir
from cds_service.pipeline import Evaluation, Pipeline
from cds_service.protocol.documents import operation_outcome
from cds_service.records.prefetch import fill
from cds_service.terminology.codes import ICD10CM, LOINC, RXNORM, SNOMED
from cds_service.trust.registry import Client, ExtraSource

Resource = dict[str, Any]

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BASE = "http://127.0.0.1:8642/demo/fhir"
VIEW, SELECT = "hyponatremia-patient-view", "hyponatremia-order-select"
SALINE_3 = "730781", "500 ML sodium chloride 30 MG/ML Injection"
TOLVAPTAN_15 = "849827", "tolvaptan 15 MG Oral Tablet"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


@cache
def pipeline(hooks: Path | None = None) -> Pipeline:
    """The service over a hooks folder, the shipped one unless told otherwise."""
    return offline_pipeline(hooks or default_hooks_dir())


def instant(*, hours: float = 0, days: float = 0) -> str:
    """A moment before NOW."""
    return (NOW - timedelta(hours=hours, days=days)).isoformat().replace("+00:00", "Z")


def named(kind: str, **members: Any) -> Resource:
    """A resource with an id of its own: the same content, the same id."""
    kept = {name: value for name, value in members.items() if value is not None}
    digest = hashlib.sha256(
        json.dumps([kind, kept], sort_keys=True, default=str).encode()
    ).hexdigest()
    return {"resourceType": kind, "id": digest[:16], **kept}


def coded(system: str, code: str, text: str = "") -> dict[str, Any]:
    """A CodeableConcept with one coding."""
    coding = {"system": system, "code": code} | ({"display": text} if text else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def lab(
    analyte: str,
    value: str,
    hours: float = 2,
    *,
    code: str = "",
    unit: str | None = None,
    status: str = "final",
    **more: Any,
) -> Resource:
    """One result, so many hours old, in the unit that rules use; "<110" and ">60" are bounds."""
    known = pipeline().knowledge.terms.labs[analyte]
    comparator = value[0] if value[0] in "<>" else None
    quantity = {
        "value": float(value.lstrip("<>")),
        "comparator": comparator,
        "unit": known.unit if unit is None else unit or None,
    }
    return named(
        "Observation",
        status=status,
        code=coded(LOINC, code or next(iter(known.loinc))),
        subject={"reference": "Patient/p1"},
        effectiveDateTime=instant(hours=hours),
        valueQuantity={name: part for name, part in quantity.items() if part is not None},
        **more,
    )


def sodium(value: str, hours: float = 2, **more: Any) -> Resource:
    """One serum sodium."""
    return lab("sodium", value, hours, **more)


def sodiums(*points: tuple[float, str], first_hours: float = 0) -> tuple[Resource, ...]:
    """A series as in B.0.8, (hour, value); the last one was drawn `first_hours` before NOW."""
    end = points[-1][0] + first_hours
    return tuple(sodium(value, end - hour) for hour, value in points)


def problem(
    code: str,
    days: float | None = 0,
    *,
    visit: bool = False,
    text: str = "",
    status: str = "active",
) -> Resource:
    """A Condition by ICD-10-CM, SNOMED CT (digits) or text alone (""), so many days old; None: undated."""
    system = SNOMED if code.isdigit() else ICD10CM
    category = "encounter-diagnosis" if visit else "problem-list-item"
    return named(
        "Condition",
        clinicalStatus=coded(f"{_TERMINOLOGY}/condition-clinical", status),
        category=[coded(f"{_TERMINOLOGY}/condition-category", category)],
        code=coded(system, code, text) if code else {"text": text},
        subject={"reference": "Patient/p1"},
        encounter={"reference": "Encounter/v1"} if visit else None,
        recordedDate=None if days is None else instant(hours=1 + 24 * days),
    )


def medicine(drug: str | tuple[str, str]) -> dict[str, Any]:
    """A drug by ingredient name, by (RxNorm code, display), or by text alone where we know no such name."""
    if isinstance(drug, tuple):
        return coded(RXNORM, *drug)
    known = pipeline().knowledge.terms.drugs.get(drug)
    return coded(RXNORM, known.rxnorm[0], drug) if known and known.rxnorm else {"text": drug}


def taking(drug: str | tuple[str, str], days: float = 200, **more: Any) -> Resource:
    """An active order of the patient, written so many days ago."""
    return named(
        "MedicationRequest",
        status=more.pop("status", "active"),
        intent="order",
        authoredOn=instant(days=days),
        medicationCodeableConcept=medicine(drug),
        subject={"reference": "Patient/p1"},
        **more,
    )


def draft(
    drug: str | tuple[str, str], *, ml: float | None = None, iv: bool = False, **more: Any
) -> Resource:
    """A drafted medication order."""
    dosage: dict[str, Any] = {}
    if ml is not None:
        dosage["doseAndRate"] = [{"doseQuantity": {"value": ml, "unit": "mL"}}]
    if iv or ml is not None:
        dosage["route"] = coded(SNOMED, "47625008", "Intravenous route")
    members: dict[str, Any] = {
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": medicine(drug),
        "subject": {"reference": "Patient/p1"},
        "dosageInstruction": [dosage] if dosage else None,
    }
    return named("MedicationRequest", **(members | more))


def restriction_order(status: str = "draft") -> Resource:
    """A fluid restriction, as an EHR orders it."""
    return named(
        "NutritionOrder",
        status=status,
        intent="order",
        patient={"reference": "Patient/p1"},
        dateTime=instant(),
        oralDiet={"type": [coded(SNOMED, "226208002", "Fluid restricted diet")]},
    )


@dataclass(frozen=True, slots=True)
class Card:
    """A card as a test asks of it."""

    raw: dict[str, Any] = field(repr=False)
    topic: str
    indicator: str
    summary: str
    detail: str = field(repr=False)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Card:
        """The card of one answer."""
        return cls(
            raw, raw["source"]["topic"]["code"], raw["indicator"], raw["summary"], raw["detail"]
        )

    @property
    def head(self) -> str:
        """Topic and indicator."""
        return f"{self.topic} {self.indicator}"

    @property
    def text(self) -> str:
        """All that a clinician reads of it before the buttons."""
        return f"{self.summary}\n{self.detail}"

    @property
    def labels(self) -> list[str]:
        """The buttons."""
        return [s["label"] for s in self.raw.get("suggestions", [])]

    @property
    def actions(self) -> list[dict[str, Any]]:
        """Everything that the buttons would do."""
        return [action for s in self.raw.get("suggestions", []) for action in s["actions"]]

    @property
    def created(self) -> list[Resource]:
        """What the buttons would order."""
        return [a["resource"] for a in self.actions if a["type"] == "create"]

    @property
    def stops(self) -> list[str]:
        """The drugs whose orders a button would stop, by name."""
        return [_drug(a["resource"]) for a in self.actions if a["type"] == "update"]

    @property
    def removes(self) -> list[str]:
        """The drafts that a button would delete."""
        return [a["resourceId"] for a in self.actions if a["type"] == "delete"]

    @property
    def restricts(self) -> bool:
        """Whether a button would order a fluid restriction."""
        return any("226208002" in json.dumps(r, default=str) for r in self.created)


def _drug(resource: Resource) -> str:
    text: str = resource["medicationCodeableConcept"]["text"]
    return text


class Call(Struct, frozen=True, kw_only=True):
    """One hook call about patient p1 at NOW."""

    record: tuple[Resource, ...] = ()
    drafts: tuple[Resource, ...] = ()  # the first `selected` of them were picked
    selected: int = 1
    age: int | None = 50
    inpatient: bool = True
    profile: str = "aasld"
    failing: tuple[str, ...] = ()  # prefetch keys that the EHR answers with an error
    left_out: tuple[str, ...] = ()  # prefetch keys that it does not send
    explain_missing: bool = False
    optional: tuple[
        ExtraSource, ...
    ] = ()  # optional keys that the registry lists and the EHR sends
    hooks: Path | None = None

    def body(self) -> dict[str, Any]:
        """The request as an EHR sends it."""
        context: dict[str, Any] = {
            "userId": "Practitioner/doctor",
            "patientId": "p1",
            "encounterId": "v1",
        }
        if self.drafts:
            picked = [f"{d['resourceType']}/{d['id']}" for d in self.drafts[: self.selected]]
            entries = [{"resource": d} for d in self.drafts]
            bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
            context |= {"selections": picked, "draftOrders": bundle}
        return {
            "hook": "order-select" if self.drafts else "patient-view",
            "hookInstance": "6a2f1ef5-3b1f-4c40-9e2d-5f0d6f0c1a11",
            "context": context,
            "prefetch": self.prefetch(context),
        }

    def prefetch(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What an EHR finds for the service's own templates."""
        server = MemoryServer(BASE, (self._patient(), self._encounter(), *self.record))
        found: dict[str, Any] = {}
        service = pipeline(self.hooks).knowledge.services[self.service]
        optional: dict[str, str] = {key: service.optional[key] for key in self.optional}
        for key, template in {**service.prefetch, **optional}.items():
            if key in self.failing:
                found[key] = operation_outcome(
                    "exception", "The results could not be read.", "none"
                )
            elif key not in self.left_out:
                found[key] = _answer(server, fill(template, dict(context)) or "")
        return found

    @property
    def service(self) -> str:
        """The service that is asked."""
        return SELECT if self.drafts else VIEW

    def evaluation(self) -> Evaluation:
        """What the service makes of it."""
        return self.answer(self.body())

    def answer(self, body: dict[str, Any]) -> Evaluation:
        """What the service makes of this body of the same call."""
        client = Client(
            profile=self.profile,
            explain_missing_data=self.explain_missing,
            extra_sources=self.optional,
        )
        return evaluate(pipeline(self.hooks), self.service, body, NOW, client)

    def cards(self) -> list[Card]:
        """Its cards."""
        return [Card.of(raw) for raw in self.evaluation().cards]

    def _patient(self) -> Resource:
        born = None if self.age is None else date(NOW.year - self.age, 3, 1).isoformat()
        person = {"resourceType": "Patient", "id": "p1", "birthDate": born}
        return {name: value for name, value in person.items() if value is not None}

    def _encounter(self) -> Resource:
        code = "IMP" if self.inpatient else "AMB"
        return {
            "resourceType": "Encounter",
            "id": "v1",
            "status": "in-progress",
            "class": {"system": f"{_TERMINOLOGY}/v3-ActCode", "code": code},
            "subject": {"reference": "Patient/p1"},
        }


def _answer(server: MemoryServer, url: str) -> Resource:
    path, question, search = url.partition("?")
    if not question:
        return server.read(*path.split("/"))
    pairs: Iterable[list[str]] = (part.split("=", 1) for part in search.split("&"))
    return server.search(Query(type=path, parameters={pair[0]: pair[1] for pair in pairs}))
