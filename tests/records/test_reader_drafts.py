"""Drafts, selections, fluid orders and what one click may stop (docs/sandbox.md, C.6, M14)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cds_service.orders.drafts import stopped
from cds_service.protocol.wire import encode
from cds_service.records.reader import CallRecords, order_resource
from cds_service.sodium.snapshot import Order, Snapshot

Read = Callable[..., Snapshot]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SERTRALINE = {
    "coding": [{"system": RXNORM, "code": "312940", "display": "Sertraline 25 MG Oral Tablet"}]
}
BASE = "https://ehr.test/fhir"


def order(**elements: Any) -> dict[str, Any]:
    """A sertraline order as R4 has it; an element given as None is left out."""
    resource: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": SERTRALINE,
        "authoredOn": "2026-11-01",
    }
    return {name: value for name, value in (resource | elements).items() if value is not None}


def medication(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Medication", "id": "x", **elements}


def only(snapshot: Snapshot) -> Order:
    assert len(snapshot.exposures) == 1
    return snapshot.exposures[0]


def names(found: Order) -> list[str]:
    return [drug.name for drug in found.drugs]


# ---- drafts and selections (docs/sandbox.md)


def test_the_sandboxs_draft_is_read_although_it_breaks_r4(read: Read) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-11-21",
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": 1,
                            "system": "http://unitsofmeasure.org",
                            "code": "{pill}",
                        }
                    }
                ],
            }
        ],
        "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"}},
        "category": {"coding": [{"code": "community"}]},
        "reasonCode": {"text": "Cirrhosis"},
        "medicationCodeableConcept": {**SERTRALINE, "text": "Sertraline 25 MG Oral Tablet"},
    }
    snapshot = read(drafts=(draft,), selections=("MedicationRequest/request-123",))
    assert snapshot.selected == ("MedicationRequest/request-123",)
    assert names(snapshot.drafts[0]) == ["sertraline"]
    assert (snapshot.drafts[0].duration_days, snapshot.drafts[0].reasons >= {"cirrhosis"}) == (
        Decimal(30),
        True,
    )


def test_a_medication_order_of_dstu2_is_read(read: Read) -> None:
    draft = {
        "resourceType": "MedicationOrder",
        "id": "order-123",
        "status": "draft",
        "patient": {"reference": "Patient/p"},
        "dateWritten": "2026-11-21",
        "reasonCodeableConcept": {"text": "Cirrhosis"},
        "dosageInstruction": [
            {
                "doseQuantity": {"value": 50, "unit": "mg"},
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnits": "d"}},
            }
        ],
        "medicationCodeableConcept": SERTRALINE,
    }
    snapshot = read(drafts=(draft,), selections=("MedicationOrder/order-123",))
    found = snapshot.drafts[0]
    assert snapshot.selected == ("MedicationOrder/order-123",)
    assert (names(found), found.daily_dose_mg, found.authored) == (
        ["sertraline"], Decimal(100), datetime(2026, 11, 21, tzinfo=UTC)
    )  # fmt: skip


def test_a_draft_without_a_medication_is_fine(read: Read) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "subject": {"reference": "Patient/p"},
    }
    snapshot = read(drafts=(draft,), selections=("MedicationRequest/request-123",))
    assert snapshot.drafts[0].drugs == ()
    assert not snapshot.drafts[0].code_only
    assert snapshot.unrecognised == 0


@pytest.mark.parametrize(
    ("kind", "read_as"),
    [
        ("ServiceRequest", "service"),
        ("NutritionOrder", "nutrition"),
        ("DeviceRequest", "other"),
        ("Wild", "other"),
    ],
)
def test_a_draft_that_is_no_medication_is_fine(read: Read, kind: str, read_as: str) -> None:
    draft = {"resourceType": kind, "id": "d", "code": {"coding": [{}]}}
    snapshot = read(drafts=(draft,), selections=(f"{kind}/d",))
    assert (snapshot.drafts[0].kind, snapshot.selected) == (read_as, (f"{kind}/d",))


@pytest.mark.parametrize(
    ("selections", "selected"),
    [
        (("MedicationRequest/m1",), ("MedicationRequest/m1",)),
        (("m1",), ("MedicationRequest/m1",)),
        (("same",), ()),
        (("ServiceRequest/same",), ("ServiceRequest/same",)),
        (("MedicationRequest/unknown",), ()),
        (("m1", "MedicationRequest/m1"), ("MedicationRequest/m1",)),
        ((), ()),
    ],
)
def test_selections_by_reference_or_by_an_id_that_is_unique(
    read: Read, selections: tuple[str, ...], selected: tuple[str, ...]
) -> None:
    drafts = (
        order(status="draft"),
        order(id="same", status="draft"),
        {"resourceType": "ServiceRequest", "id": "same"},
        order(id=None, status="draft"),
    )
    assert read(drafts=drafts, selections=selections).selected == selected


def test_a_draft_of_another_patient_never_counts(read: Read) -> None:
    snapshot = read(
        drafts=(order(status="draft", subject={"reference": "Patient/q"}),),
        selections=("MedicationRequest/m1",),
    )
    assert (snapshot.drafts, snapshot.selected, snapshot.dropped_foreign) == ((), (), 1)


def test_a_draft_not_to_give_a_drug_orders_no_drug(read: Read) -> None:
    assert read(drafts=(order(status="draft", doNotPerform=True),)).drafts[0].drugs == ()


def test_a_medication_among_the_drafts_answers_before_the_record(read: Read) -> None:
    draft = order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"})
    recorded = medication(code={"text": "aspirin"})
    snapshot = read(recorded, drafts=(draft, medication(code=SERTRALINE)))
    assert [names(d) for d in snapshot.drafts] == [["sertraline"]]


# ---- fluid orders (C.6)


@pytest.mark.parametrize(
    "elements",
    [
        {
            "oralDiet": {
                "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "226208002"}]}]
            }
        },
        {"oralDiet": {"type": {"text": "Fluid restricted diet"}}},
        {"oralDiet": {"instruction": "Fluid restriction 1200 mL/day"}},
        {"resourceType": "ServiceRequest", "code": {"text": "Fluid restriction 1 L"}},
    ],
)
def test_an_existing_fluid_restriction_is_recognised(read: Read, elements: dict[str, Any]) -> None:
    resource = {
        "resourceType": "NutritionOrder",
        "id": "n",
        "status": "active",
        "patient": {"reference": "Patient/p"},
    }
    assert only(read(resource | elements)).fluid_restriction


def test_a_diet_without_restriction_is_none(read: Read) -> None:
    resource = {
        "resourceType": "NutritionOrder",
        "id": "n",
        "status": "active",
        "oralDiet": {"type": {"text": "Diabetic"}},
    }
    assert not only(read(resource)).fluid_restriction


# ---- stop by one click (M14)

HCTZ = {
    "coding": [
        {"system": RXNORM, "code": "310798", "display": "Hydrochlorothiazide 25 MG Oral Tablet"}
    ]
}


def test_a_valid_inert_thiazide_order_may_be_stopped(read: Read) -> None:
    resource = order(medicationCodeableConcept=HCTZ)
    assert only(read(resource)).stoppable
    assert stopped(resource, "Hyponatremia") is not None


@pytest.mark.parametrize(
    "elements",
    [
        {"medicationCodeableConcept": SERTRALINE},
        {
            "medicationCodeableConcept": {
                "text": "Lisinopril / Hydrochlorothiazide 20/25 MG Oral Tablet"
            }
        },
        {"status": "on-hold"},
        {"id": None},
        {"id": "has_underscore"},
        {"intent": None},
        {"intent": "wild"},
        {"category": {"text": "community"}},
        {"reasonCode": {"text": "edema"}},
        {"authoredOn": "2026-11-01T10:00"},
        {"vendorField": 1},
        {"modifierExtension": [{"url": "http://x.test/y", "valueBoolean": True}]},
        {"note": [{"text": "<script>alert(1)</script>"}]},
        {"note": [{"text": "see https://evil.test"}]},
        {"requester": {"reference": "https://evil.test/Practitioner/1"}},
    ],
)
def test_an_order_that_is_not_plainly_safe_to_send_back_is_not_stopped(
    read: Read, elements: dict[str, Any]
) -> None:
    resource = order(**({"medicationCodeableConcept": HCTZ} | elements))
    assert not (only(read(resource)).stoppable and stopped(resource, "Hyponatremia") is not None)


def test_the_resource_behind_an_order_is_found_again(parts_of: Callable[..., CallRecords]) -> None:
    mine = order() | {"priority": "routine"}
    call = parts_of(mine, bodies=(encode([mine]),))
    assert order_resource(call, "MedicationRequest/m1") == mine
    assert order_resource(call, "MedicationRequest/m2") is None
