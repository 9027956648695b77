"""Drafts, selections, fluid orders and what one click may stop (docs/sandbox.md, C.6, M14)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.orders.drafts import stopped
from cds_service.protocol.wire import encode
from cds_service.records.drafts import SentDraft
from cds_service.records.fhir_types import as_resource
from cds_service.records.reader import (
    CallRecords,
    draft_of_another_patient,
    order_resource,
    read_snapshot,
)
from cds_service.sodium.snapshot import Order, Snapshot
from cds_service.terminology.types import RecordText
from cds_service.terminology.vocabulary import Vocabulary

Read = Callable[..., Snapshot]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SERTRALINE = {
    "coding": [{"system": RXNORM, "code": "312940", "display": "Sertraline 25 MG Oral Tablet"}]
}
BASE = "https://ehr.test/fhir"
URN = "urn:uuid:3f0c1e1e-0000-4000-8000-000000000001"
EVERY = (
    *("MedicationRequest/m1", "MedicationRequest/same", "ServiceRequest/same"),
    *(URN, "MedicationRequest/m5"),
)


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


def bundled(*entries: Any) -> tuple[SentDraft, ...]:
    """Drafts as entries of a Bundle, each with its fullUrl if it is given as (url, resource)."""
    pairs = [one if isinstance(one, tuple) else ("", one) for one in entries]
    return tuple(SentDraft(as_resource(resource), url) for url, resource in pairs)


def an_order_set(*members: str) -> dict[str, Any]:
    """An order set; its first member lies one level deeper."""
    actions: list[dict[str, Any]] = [{"resource": {"reference": one}} for one in members]
    first = [{"action": actions[:1]}] if actions else []
    return {"resourceType": "RequestGroup", "id": "set", "action": [*first, *actions[1:]]}


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
        (("MedicationRequest/m1/_history/3",), ("MedicationRequest/m1",)),
        (("https://elsewhere.test/r4/MedicationRequest/m1",), ("MedicationRequest/m1",)),
        ((" MedicationRequest/m1 ",), ("MedicationRequest/m1",)),
        (("MedicationRequest/m1/",), ("MedicationRequest/m1",)),
        (("MedicationOrder/m1",), ("MedicationRequest/m1",)),
        (("urn:uuid:m1",), ("MedicationRequest/m1",)),
        (("same",), ("MedicationRequest/same", "ServiceRequest/same")),
        (("ServiceRequest/same",), ("ServiceRequest/same",)),
        (("m1", "MedicationRequest/m1"), ("MedicationRequest/m1",)),
        ((URN.upper(),), (URN,)),
        (("urn:oid:1.2.3",), ("ServiceRequest/same",)),
        (("https://ehr.test/fhir/MedicationRequest/m5",), ("MedicationRequest/m5",)),
        # Not every selection leads to a draft: whatever was drafted counts.
        (("MedicationRequest/unknown",), EVERY),
        (("MedicationRequest/m1", "MedicationRequest/unknown"), EVERY),
        (("m1", ""), EVERY),
        (("ServiceRequest/m1",), EVERY),
        ((), EVERY),
    ],
)
def test_a_selection_is_found_in_any_form_and_else_every_draft_counts(
    vocabulary: Vocabulary,
    parts_of: Callable[..., CallRecords],
    selections: tuple[str, ...],
    selected: tuple[str, ...],
) -> None:
    drafts = bundled(
        order(status="draft"),
        order(id="same", status="draft"),
        ("urn:oid:1.2.3", {"resourceType": "ServiceRequest", "id": "same"}),
        (URN, order(id=None, status="draft")),
        ("https://ehr.test/fhir/MedicationRequest/m5", order(id=None, status="draft")),
    )
    parts = replace(parts_of(), drafts=drafts, selections=selections)
    assert read_snapshot(parts, vocabulary).selected == selected


def test_drafts_that_share_a_name_are_both_read_and_neither_can_be_removed_by_it(
    read: Read,
) -> None:
    drafts = (order(), order(medicationCodeableConcept=HCTZ), order())
    snapshot = read(drafts=drafts, selections=("MedicationRequest/m1",))
    assert [names(one) for one in snapshot.drafts] == [["sertraline"], ["hydrochlorothiazide"]]
    assert snapshot.selected == ("#1", "#2")


def test_an_order_set_counts_as_its_members(read: Read) -> None:
    group = an_order_set("MedicationRequest/m1", "https://ehr.test/fhir/MedicationRequest/m2")
    drafts = (order(), order(id="m2"), order(id="m3"), group)
    snapshot = read(drafts=drafts, selections=("RequestGroup/set",))
    assert set(snapshot.selected) == {
        *("MedicationRequest/m1", "MedicationRequest/m2", "RequestGroup/set")
    }
    assert not any(one.unread for one in snapshot.drafts)


@pytest.mark.parametrize("members", [(), ("MedicationRequest/m9",), ("#inside",)])
def test_an_order_set_whose_orders_did_not_come_was_not_read(
    read: Read, members: tuple[str, ...]
) -> None:
    snapshot = read(drafts=(order(), an_order_set(*members)), selections=("RequestGroup/set",))
    assert snapshot.selected == ("MedicationRequest/m1", "RequestGroup/set")
    assert [one.unread for one in snapshot.drafts] == [False, True]


def test_a_draft_that_cannot_be_read_keeps_its_place_and_may_be_what_is_selected(
    vocabulary: Vocabulary, parts_of: Callable[..., CallRecords]
) -> None:
    parts = replace(parts_of(), drafts=(SentDraft(None), *bundled(order())))
    found = read_snapshot(replace(parts, selections=("MedicationRequest/m1",)), vocabulary)
    assert found.selected == ("MedicationRequest/m1",)
    lost = read_snapshot(replace(parts, selections=("MedicationRequest/m9",)), vocabulary)
    assert lost.selected == ("#1", "MedicationRequest/m1")
    assert [one.unread for one in lost.drafts] == [True, False]


def test_a_selected_medicine_without_any_drafted_medicine_was_not_read(read: Read) -> None:
    snapshot = read(
        drafts=({"resourceType": "ServiceRequest", "id": "s"},),
        selections=("MedicationRequest/m1",),
    )
    assert [one.unread for one in snapshot.drafts] == [False, True]
    assert snapshot.selected == ("ServiceRequest/s", "#0")


def test_what_explains_the_drafts_is_no_order(read: Read) -> None:
    others = ("Patient", "Practitioner", "Medication", "Coverage", "Encounter")
    drafts = tuple({"resourceType": kind, "id": "x"} for kind in others)
    snapshot = read(drafts=(*drafts, order()), selections=())
    assert snapshot.selected == ("MedicationRequest/m1",)


@pytest.mark.parametrize(
    ("subject", "ours"),
    [
        ({"reference": "Patient/p"}, True),
        ({"reference": "p"}, True),
        ({"reference": "https://inner-name.test/r4/Patient/p"}, True),
        ({"reference": "urn:uuid:00000000-0000-4000-8000-000000000009"}, True),
        ({"identifier": {"system": "urn:mrn", "value": "1"}}, True),
        ({"display": "A. Patient"}, True),
        ({}, True),
        (None, True),
        ({"reference": "Patient/q"}, False),
        ({"reference": "q"}, False),
        ({"reference": "https://ehr.test/fhir/Patient/q"}, False),
        ({"reference": "Group/p"}, False),
        ({"reference": "urn:uuid:other"}, False),
    ],
)
def test_a_draft_is_the_patients_unless_it_names_another(
    read: Read, parts_of: Callable[..., CallRecords], subject: Any, ours: bool
) -> None:
    more: dict[str, Any] = {
        "drafts": (order(id="before"), order(status="draft", subject=subject)),
        "selections": ("MedicationRequest/m1",),
        "urls": {"urn:uuid:other": {"resourceType": "Patient", "id": "other"}},
        "bases": (BASE,),
    }
    assert draft_of_another_patient(parts_of(**more)) == (None if ours else 2)
    assert [one.unread for one in read(**more).drafts] == [False, not ours]


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


@pytest.mark.parametrize(
    ("drafts", "selections", "lacking"),
    [
        ((order(),), ("MedicationRequest/m1",), False),
        ((order(),), ("MedicationRequest/elsewhere",), False),
        ((order(),), ("MedicationRequest/m1", "MedicationRequest/m2"), True),
        ((order(), order(id="m3")), ("MedicationRequest/m1", "MedicationRequest/m2"), False),
        ((order(), order(id="m3", resourceType="Basic")), ("m1", "MedicationRequest/m2"), True),
        ((order(),), ("MedicationRequest/m1", "NutritionOrder/diet"), True),
        ((order(), order(id="m3")), ("MedicationRequest/m1", "NutritionOrder/diet"), True),
        ((order(),), ("MedicationRequest/m1", "ServiceRequest/laboratory"), False),
    ],
)
def test_more_selections_than_drafts_that_they_may_mean_leave_an_order_unread(
    read: Read, drafts: tuple[Any, ...], selections: tuple[str, ...], lacking: bool
) -> None:
    snapshot = read(drafts=drafts, selections=selections)
    unread = [one.reference for one in snapshot.drafts if one.unread]
    assert unread == (["#0"] if lacking else [])
    assert not lacking or "#0" in snapshot.selected


def test_the_selected_orders_come_in_the_order_of_the_selections(read: Read) -> None:
    picked = "MedicationRequest/m2", "MedicationRequest/m1"
    for drafts in ((order(), order(id="m2")), (order(id="m2"), order())):
        assert read(drafts=drafts, selections=picked).selected == picked


# ---- F23: saline and restriction in every order form

SNOMED = "http://snomed.info/sct"


def service(text: str, **elements: Any) -> dict[str, Any]:
    """A draft ServiceRequest with these words as its code."""
    subject = {"reference": "Patient/p"}
    return {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "draft",
        "intent": "order",
        "subject": subject,
        "code": {"text": text},
        **elements,
    }


def diet(*nutrients: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """A draft NutritionOrder that says how much of these nutrients is given."""
    return {
        "resourceType": "NutritionOrder",
        "id": "n1",
        "status": "draft",
        "intent": "order",
        "patient": {"reference": "Patient/p"},
        "oralDiet": {"type": [{"text": "Cardiac diet"}], "nutrient": list(nutrients)},
        **elements,
    }


def nutrient(value: int, unit: str = "mL", code: str = "33463005") -> dict[str, Any]:
    modifier = {"coding": [{"system": SNOMED, "code": code}]}
    return {"modifier": modifier, "amount": {"value": value, "unit": unit}}


@pytest.mark.parametrize(
    ("text", "percent", "ml"),
    [
        ("Administer 3% hypertonic saline 150 mL IV bolus", "3", 150),
        ("Infuse sodium chloride 0.9 % 1 L over 4 h", "0.9", 1000),
        ("3% saline infusion", "3", None),
        ("Give 3% saline 150 mL over 20 min, recheck serum sodium after it", "3", 150),
        ("3% saline 150 mL, do not give faster than in 20 min", "3", 150),
        ("Check sodium, then give 3% saline 150 mL", "3", 150),
        ("No fluid restriction. 3% saline 150 mL now", "3", 150),
        ("Repeat 3% saline 150 mL", "3", 150),
    ],
)
def test_f23_a_service_that_gives_saline_is_its_order(
    read: Read, text: str, percent: str, ml: int | None
) -> None:
    found = read(drafts=(service(text),), selections=("ServiceRequest/s1",)).drafts[0]
    assert found.saline is not None
    assert (found.kind, found.reference) == ("medication", "ServiceRequest/s1")
    assert found.saline.percent == Decimal(percent)
    assert found.saline.ordered_ml == ml


@pytest.mark.parametrize(
    "text",
    [
        "Bronchial provocation with hypertonic saline",
        "Sputum induction with 3% saline",
        "Nebulized hypertonic saline 3 % 4 mL",
        "Sodium, serum",
        "Saline lock flush",
        "Chest X-ray",
        "Serum sodium every 2 hours while on 3% saline; call if rise > 6 mmol/L",
        "Do NOT give 3% saline; recheck serum sodium in 4 hours",
        "Don't start 3% saline",
        "Continue to monitor sodium while on 3% saline",
        "Sodium q2h after hypertonic saline 3% bolus",
        "Recheck sodium in 4 h, no 3% saline",
        "Patient must not receive 3% saline",
        "BMP every 4 hours while on 0.9% saline 100 mL/h",
        "Notify physician if urine output rises on 3% sodium chloride",
        "3% saline monitoring: sodium every 2 h",
        "Hold 3% saline",
        "Natriumkontrolle alle 2 h unter NaCl 3%",
    ],
)
def test_f23_a_service_that_gives_no_saline_into_a_vein_is_none(read: Read, text: str) -> None:
    found = read(drafts=(service(text),), selections=("ServiceRequest/s1",)).drafts[0]
    assert found.saline is None or found.route == "local"
    assert not found.unidentified


@pytest.mark.parametrize(
    ("draft", "restricts"),
    [
        (diet(nutrient(1000)), True),
        (diet(nutrient(1, "L", "226354008")), True),
        (diet(nutrient(2000)), True),
        (diet(nutrient(2001)), False),
        (diet(nutrient(300)), True),
        (diet(nutrient(299)), False),
        (diet(nutrient(1000, "kcal")), False),
        (diet(nutrient(1000, code="39972003")), False),
        (diet({"modifier": {"coding": [{"system": SNOMED, "code": "33463005"}]}}), False),
        (diet({"modifier": {"text": "Fluids"}, "amount": {"value": 1.5, "unit": "L"}}), True),
        (service("FR 1.2 L"), True),
        (service("Foley 16 Fr 30 mL balloon"), False),
        (service("Diet order", orderDetail=[{"text": "fluid restriction 1000 mL"}]), True),
        (service("Diet order", note=[{"text": "restrict fluids to 1 L"}]), True),
        (service("Diet order", note=[{"text": "no fluid restriction"}]), False),
        (service("Vochtbeperking 1 liter"), True),
        (service("Restricción de líquidos 1 L"), True),
        (service("水分制限 1000 mL"), True),
    ],
)
def test_f23_a_restriction_in_every_form(
    read: Read, draft: dict[str, Any], restricts: bool
) -> None:
    assert read(drafts=(draft,)).drafts[0].fluid_restriction is restricts


@pytest.mark.parametrize(
    ("draft", "drinks"),
    [
        (service("Push fluids"), True),
        (service("Force fluids 3 L/day"), True),
        (service("Nursing order", orderDetail=[{"text": "encourage oral fluids"}]), True),
        (service("Nursing order", note=[{"text": "encourage PO fluids q2h while awake"}]), True),
        (diet(oralDiet={"instruction": "Increase fluid intake to 3 L"}), True),
        (order(medicationCodeableConcept={"text": "Encourage fluids"}), True),
        (service("Trinkmenge steigern"), True),
        (service("Estimular la ingesta de líquidos"), True),
        (service("飲水励行"), True),
        (service("Do not push fluids"), False),
        (service("Stop push fluids"), False),
        (service("Patient education, increase fluid intake teaching"), False),
        (service("Fluid restriction 1 L, do not encourage fluids"), False),
        (service("Regular diet"), False),
        (order(dosageInstruction=[{"text": "take with plenty of water"}]), False),
    ],
)
def test_f23_an_order_to_drink_much_in_every_form(
    read: Read, draft: dict[str, Any], drinks: bool
) -> None:
    found = read(drafts=(draft,)).drafts[0]
    assert found.asks_to_drink is drinks
    assert not (found.asks_to_drink and found.fluid_restriction)
    assert (found.fluid_name is not None) is (drinks or found.fluid_restriction)


@pytest.mark.parametrize(
    ("draft", "name"),
    [
        (service("Fluid restriction 1.2 L"), "Fluid restriction 1.2 L"),
        (
            service("Diet order", note=[{"text": "restrict fluids to 1 L"}]),
            "restrict fluids to 1 L",
        ),
        (diet(nutrient(1000)), "1000 mL"),
        (diet(oralDiet={"instruction": "Increase fluid intake"}), "Increase fluid intake"),
        (service("Nursing order", orderDetail=[{"text": "push fluids"}]), "push fluids"),
    ],
)
def test_f23_an_order_about_drinking_is_named_by_the_words_that_say_so(
    read: Read, draft: dict[str, Any], name: str
) -> None:
    found = read(drafts=(draft,)).drafts[0]
    assert found.fluid_name == RecordText(name)


def test_f23_an_order_inside_an_order_set_is_read_and_selected(read: Read) -> None:
    group = {
        **an_order_set("#inner", "#other"),
        "contained": [order(id="inner"), service("3% saline 500 mL", id="other")],
    }
    snapshot = read(drafts=(group,), selections=("RequestGroup/set",))
    assert set(snapshot.selected) == {"RequestGroup/set", "#1.inner", "#1.other"}
    assert not any(one.unread for one in snapshot.drafts)
    inner, other = snapshot.drafts[1:]
    assert names(inner) == ["sertraline"]
    assert other.saline is not None


def test_f23_an_order_set_that_points_to_what_it_does_not_hold_was_not_read(read: Read) -> None:
    group = {**an_order_set("#lacking"), "contained": [order(id="inner")]}
    snapshot = read(drafts=(group,), selections=("RequestGroup/set",))
    assert snapshot.drafts[0].unread


@pytest.mark.parametrize(
    ("code", "unidentified"),
    [
        ({"text": "Hemodialysis"}, False),
        ({"coding": [{"code": "2951-2"}]}, False),
        ({"text": " "}, True),
        ({"coding": [{}]}, True),
        (True, True),
        (None, True),
    ],
)
def test_a_service_without_a_code_and_without_a_word_may_be_any(
    read: Read, code: object, unidentified: bool
) -> None:
    service: dict[str, Any] = {"resourceType": "ServiceRequest", "id": "s1", "code": code}
    service["subject"] = {"reference": "Patient/p"}
    sent = {name: value for name, value in service.items() if value is not None}
    (found,) = read(drafts=(sent,), selections=("ServiceRequest/s1",)).drafts
    assert found.unidentified is unidentified


@pytest.mark.parametrize(
    "elements",
    [
        {"resourceType": "ServiceRequest", "code": {"text": "Free water flush 250 mL via PEG every 4 hours"}},
        {
            "resourceType": "NutritionOrder",
            "enteralFormula": {
                "baseFormulaProductName": "Osmolite 1.5",
                "administrationInstruction": "Osmolite 1.5 at 45 mL/h, free water flush 250 mL every 4 h",
            },
        },
        {
            "resourceType": "MedicationRequest",
            "medicationCodeableConcept": {"text": "sterile water 250 mL every 4 hours"},
            "dosageInstruction": [{"route": {"text": "Nasogastric"}}],
        },
    ],
)  # fmt: skip
def test_water_by_a_feeding_tube_counts_by_the_day(read: Read, elements: dict[str, Any]) -> None:
    draft = {"id": "w", "status": "draft", "intent": "order", **elements}
    found = read(drafts=(draft,), selections=("w",)).drafts[0]
    assert (found.tube_water, found.hypotonic, found.hypotonic_volume_ml) == (
        True,
        True,
        Decimal(1500),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [("Dextrose 5% 1000 mL IV", "hypotonic"), ("Lactated Ringer's 1000 mL IV", "balanced")],
)
def test_a_service_that_gives_a_fluid_is_that_fluid(read: Read, text: str, what: str) -> None:
    draft = {"resourceType": "ServiceRequest", "id": "s", "status": "draft", "code": {"text": text}}
    found = read(drafts=(draft,), selections=("s",)).drafts[0]
    assert (found.kind, getattr(found, what), found.route) == ("medication", True, "iv")
