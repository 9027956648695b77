"""What we suggest is valid FHIR R4, says all in words, and stops only what is safe to stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.nutritionorder import NutritionOrder
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.engine.finding import (
    Action,
    DraftLabs,
    DraftOrder,
    RemoveDraft,
    StopOrder,
    Suggestion,
)
from cds_service.engine.speech import translations
from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.names import OrderTemplate
from cds_service.knowledge.words import DietTemplate, Lab, OrderWords, Terms
from cds_service.orders import r4b
from cds_service.orders.drafts import OrderContext, Orders, orders, sample_drafts, stopped
from cds_service.protocol import wire

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MODELS: dict[str, Any] = {
    "NutritionOrder": NutritionOrder,
    "ServiceRequest": ServiceRequest,
    "MedicationRequest": MedicationRequest,
}
HCTZ: dict[str, Any] = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "meta": {"versionId": "3", "lastUpdated": "2026-11-01T08:00:00Z"},
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">active</div>',
    },
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p"},
    "medicationCodeableConcept": {"text": "Hydrochlorothiazide 25 MG Oral Tablet"},
    "authoredOn": "2026-11-01",
    "dosageInstruction": [
        {"doseAndRate": [{"doseQuantity": {"value": Decimal("25.0"), "unit": "mg"}}]}
    ],
    "extension": [{"url": "http://ehr.test/ext", "valueString": "A1"}],
}


@pytest.fixture
def built(order_words: OrderWords, terms: Terms) -> Orders:
    return orders(order_words, terms.labs, NOW)


def context(**more: Any) -> OrderContext:
    full: dict[str, Any] = {
        "patient_id": "p",
        "now": NOW,
        "encounter_id": "e",
        "practitioner": "Practitioner/u",
    }
    return OrderContext(**(full | more))


def actions(built: Orders, *wanted: Action, **more: Any) -> list[dict[str, Any]]:
    return built.actions_for(Suggestion("kind", wanted), context(**more), "Words")


def on_the_wire(resource: object) -> Any:
    return msgspec.json.decode(wire.encode(resource))


EVERY_DRAFT = (
    DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"),
    DraftOrder(OrderTemplate.BACLOFEN, "10"),
    DraftLabs(("sodium", "serum-osmolality", "urine-osmolality", "urine-sodium", "urate"), "stat"),
    DraftLabs(("sodium",), "urgent", timedelta(hours=2)),
    DraftLabs(
        ("glucose", "potassium", "creatinine", "tsh", "cortisol", "calcium", "magnesium", "bmp")
    ),
)


@pytest.mark.parametrize("action", EVERY_DRAFT)
@pytest.mark.parametrize(
    "more", [{}, {"encounter_id": None, "practitioner": None}, {"fluid_order": "ServiceRequest"}]
)
def test_every_suggested_order_is_valid_and_survives_the_wire(
    built: Orders, action: Action, more: dict[str, Any]
) -> None:
    found = actions(built, action, **more)
    assert found
    for each in found:
        assert each["type"] == "create"
        assert each["description"].startswith("Words")
        sent = on_the_wire(each["resource"])
        again = MODELS[sent["resourceType"]].model_validate(sent)
        assert msgspec.json.decode(again.model_dump_json().encode()) == sent
        assert (sent["status"], sent["intent"]) == ("draft", "order")
        assert "id" not in sent


def test_every_test_that_can_be_ordered_has_a_valid_order(built: Orders, terms: Terms) -> None:
    orderable = [name for name, lab in terms.labs.items() if lab.order]
    assert {"sodium", "potassium", "serum-osmolality", "urine-sodium"} <= set(orderable)
    assert len(actions(built, DraftLabs(tuple(orderable)))) == len(orderable)


def test_a_fluid_restriction_is_a_nutrition_order_with_its_own_element_names(built: Orders) -> None:
    resource = actions(built, DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"))[0]["resource"]
    assert resource["patient"] == {"reference": "Patient/p"}
    assert resource["orderer"] == {"reference": "Practitioner/u"}
    assert resource["encounter"] == {"reference": "Encounter/e"}
    assert resource["dateTime"] == "2026-11-21T12:00:00Z"
    assert not {"subject", "requester", "authoredOn"} & set(resource)
    assert resource["oralDiet"]["nutrient"][0]["amount"]["value"] == 1000
    assert "max 1000 mL per 24 h" in resource["oralDiet"]["instruction"]
    assert "Stop and reassess" in resource["oralDiet"]["instruction"]


def test_the_fallback_is_a_service_request_with_the_same_words(built: Orders) -> None:
    resource = actions(
        built, DraftOrder(OrderTemplate.FLUID_RESTRICTION, "800"), fluid_order="ServiceRequest"
    )[0]["resource"]
    assert resource["code"]["text"] == "Fluid restriction 800 mL/24 h"
    assert "max 800 mL per 24 h" in resource["patientInstruction"]


def test_a_repeat_later_carries_its_time_and_priority(built: Orders) -> None:
    resource = actions(built, DraftLabs(("sodium",), "stat", timedelta(hours=6)))[0]["resource"]
    assert (resource["priority"], resource["occurrenceDateTime"]) == (
        "stat",
        "2026-11-21T18:00:00Z",
    )
    assert resource["category"][0]["coding"][0]["code"] == "108252007"
    assert resource["code"]["coding"][0]["code"] == "2951-2"


def test_several_tests_of_one_suggestion_are_told_apart(built: Orders) -> None:
    said = [a["description"] for a in actions(built, DraftLabs(("sodium", "urine-sodium")))]
    assert len(set(said)) == 2


def test_orders_for_one_patient_hold_nothing_of_the_one_before(built: Orders) -> None:
    for patient in ("p", "q"):
        drafts = actions(built, *EVERY_DRAFT, patient_id=patient, encounter_id=f"visit-{patient}")
        other = {"p": "q", "q": "p"}[patient]
        told = wire.encode(drafts).decode()
        assert f"Patient/{patient}" in told
        assert f"Patient/{other}" not in told
        assert f"visit-{other}" not in told


def test_the_whole_baclofen_dose_stands_in_words_too(built: Orders) -> None:
    resource = actions(built, DraftOrder(OrderTemplate.BACLOFEN, "10"))[0]["resource"]
    dosage = resource["dosageInstruction"][0]
    assert "10 mg" in dosage["text"]
    assert "7 days" in dosage["text"]
    assert dosage["doseAndRate"][0]["doseQuantity"]["value"] == 10
    assert resource["medicationCodeableConcept"]["coding"][0]["code"] == "197391"


@pytest.mark.parametrize(
    "user", [None, "Patient/p", "RelatedPerson/r", "Practitioner/", "Practitioner/../x"]
)
def test_nobody_but_a_practitioner_signs(built: Orders, user: str | None) -> None:
    for action in (
        DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"),
        DraftOrder(OrderTemplate.BACLOFEN, "10"),
        DraftLabs(("sodium",)),
    ):
        resource = actions(built, action, practitioner=user)[0]["resource"]
        assert not {"requester", "orderer"} & set(resource)


@pytest.mark.parametrize(
    "more", [{"patient_id": "p?x=1"}, {"patient_id": ".."}, {"encounter_id": "e/../f"}]
)
def test_an_id_that_is_none_gives_no_action(built: Orders, more: dict[str, Any]) -> None:
    assert actions(built, DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"), **more) == []


@pytest.mark.parametrize("amount", ["", "1e9", "-5", "1000; drop"])
def test_an_amount_that_is_no_number_gives_no_action(built: Orders, amount: str) -> None:
    assert actions(built, DraftOrder(OrderTemplate.FLUID_RESTRICTION, amount)) == []


def test_a_suggestion_is_whole_or_not_at_all(built: Orders) -> None:
    assert actions(built, DraftLabs(("sodium",)), StopOrder("MedicationRequest/gone", "x")) == []


def test_a_delete_names_the_draft_and_carries_nothing_else(built: Orders) -> None:
    found = actions(built, RemoveDraft("MedicationRequest/request-123"))
    assert found == [
        {"type": "delete", "description": "Words", "resourceId": "MedicationRequest/request-123"}
    ]
    assert actions(built, RemoveDraft("https://evil.test/x")) == []


# ---- stop


def test_a_stop_is_the_whole_order_with_two_changes_and_no_stale_narrative(built: Orders) -> None:
    found = actions(
        built,
        StopOrder("MedicationRequest/m1", "x"),
        resource_of={"MedicationRequest/m1": HCTZ}.get,
    )
    resource = found[0]["resource"]
    assert (found[0]["type"], resource["id"]) == ("update", "m1")
    assert (resource["status"], resource["statusReason"]) == ("stopped", {"text": "Hyponatremia"})
    unchanged = set(HCTZ) - {"status", "text"}
    assert {name: resource[name] for name in unchanged} == {name: HCTZ[name] for name in unchanged}
    assert "text" not in resource
    assert HCTZ["status"] == "active"
    MedicationRequest.model_validate(on_the_wire(resource))


@pytest.mark.parametrize(
    "elements",
    [
        {"status": "completed"},
        {"resourceType": "MedicationOrder"},
        {"resourceType": "MedicationStatement"},
        {"id": "a" * 65},
        {"intent": "bogus"},
        {"doNotPerform": True},
        {"medicationCodeableConcept": None},
        {"reasonCode": {"text": "an object where a list belongs"}},
        {"unknownElement": "x"},
        {"note": [{"text": "[x](javascript:alert(1))"}]},
        {"note": [{"text": "go to www.evil.test"}]},
        {"note": [{"text": "mail a@evil.test"}]},
        {"note": [{"text": "right\u202eleft"}]},
        {"note": [{"text": "x" * 1001}]},
        {"extension": [{"url": "javascript:alert(1)", "valueString": "x"}]},
        {"extension": [{"url": "http://ehr.test/ext", "valueUrl": "https://evil.test"}]},
        {"subject": {"reference": "https://evil.test/Patient/p"}},
        {
            "contained": [
                {
                    "resourceType": "Medication",
                    "id": "x",
                    "text": {"status": "generated", "div": "<div/>"},
                }
            ]
        },
        {"_status": {"extension": [{"url": "http://ehr.test/x", "valueString": "y"}]}},
    ],
)
def test_what_is_not_valid_or_not_inert_is_never_sent_back(elements: dict[str, Any]) -> None:
    changed = {name: value for name, value in (HCTZ | elements).items() if value is not None}
    assert stopped(changed, "Hyponatremia") is None


def test_absolute_references_are_sent_back_only_under_the_clients_own_base() -> None:
    order = HCTZ | {"subject": {"reference": "https://ehr.test/fhir/Patient/p"}}
    assert stopped(order, "x", ("https://ehr.test/fhir",)) is not None
    assert stopped(order, "x", ("https://ehr.test/other",)) is None


# ---- the knowledge is checked at start


def test_a_test_without_a_display_for_its_order_code_stops_the_start(
    order_words: OrderWords,
) -> None:
    with pytest.raises(KnowledgeError, match=r"labs\.toml.*broken"):
        orders(
            order_words, {"broken": Lab(title="Broken", loinc={"1-8": "x"}, order="2951-2")}, NOW
        )


def test_what_a_start_takes_for_valid_is_what_is_validated_here() -> None:
    """Drafts that are known byte for byte are not validated at a start (docs/decisions/0008)."""
    knowledge = load_knowledge(default_hooks_dir())
    digests = set()
    for known in (knowledge, *(one.knowledge for one in translations(knowledge).values())):
        built = Orders(known.orders, known.terms.labs)
        drafts = sample_drafts(built, datetime(2000, 1, 1, tzinfo=UTC))
        for draft in drafts:
            MODELS[draft["resourceType"]].model_validate(draft)
        digests.add(r4b.digest(drafts))
    assert digests == r4b.KNOWN_VALID, (
        "The orders of a language changed, and are valid: put the digests of the left side into "
        "KNOWN_VALID of cds_service/orders/r4b.py"
    )


def test_no_order_that_differs_in_a_letter_is_taken_for_valid(
    order_words: OrderWords, terms: Terms
) -> None:
    drafts = sample_drafts(Orders(order_words, terms.labs), datetime(2000, 1, 1, tzinfo=UTC))
    assert r4b.known_valid(drafts)
    assert not r4b.known_valid(drafts[:-1])
    drafts[0] = drafts[0] | {"status": "draft "}
    assert not r4b.known_valid(drafts)


def test_a_template_that_is_not_valid_stops_the_start(order_words: OrderWords) -> None:
    template = order_words.templates["fluid-restriction"]
    assert isinstance(template, DietTemplate)
    diet = msgspec.structs.replace(template.diet, code="has a  double blank ")
    broken = msgspec.structs.replace(template, diet=diet)
    templates = order_words.templates | {"fluid-restriction": broken}
    words = msgspec.structs.replace(order_words, templates=templates)
    with pytest.raises(KnowledgeError, match=r"orders\.toml"):
        orders(words, {}, NOW)
