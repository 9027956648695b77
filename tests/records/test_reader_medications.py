"""Orders as real systems send them (docs/reading-records.md, docs/sandbox.md, D.1)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cds_service.records.fhir_types import as_resource
from cds_service.records.reader import CallRecords, full_urls, wanted_references
from cds_service.sodium.snapshot import Missing, Order, Snapshot

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


# ---- why and when it was ended


@pytest.mark.parametrize(
    ("elements", "for_low"),
    [
        ({"statusReason": {"text": "Thiazide-induced hyponatremia, Na 119"}}, True),
        ({"statusReason": [{"text": "hyponatraemia"}]}, True),
        ({"statusReason": {"coding": [{"system": "http://snomed.info/sct", "code": "89627008"}]}}, True),
        ({"reasonEnded": {"text": "SIADH"}}, True),
        ({"statusReason": {"text": "no longer needed"}}, False),
        ({"statusReason": {"text": "no hyponatremia, patient preference"}}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_the_reason_of_an_end_may_be_low_sodium(
    read: Read, elements: dict[str, Any], for_low: bool
) -> None:
    found = only(read(order(status="stopped", **elements)))
    assert found.stopped_for_low is for_low


@pytest.mark.parametrize(
    ("said", "at_home"),
    [
        ("1 tablet PO daily; resume home medication", True),
        ("Continue home dose", True),
        ("Resume PTA med daily", True),
        ("Hausmedikation wieder ansetzen", True),
        ("Reprise du traitement habituel", True),
        ("Reanudar medicación habitual", True),
        ("Take home medication: 1 tablet daily", False),
        ("Do not resume home dose before the next sodium", False),
        ("New: 1 tablet daily", False),
        ("continue at home", False),
        ("", False),
    ],
)
def test_only_clear_words_say_that_a_drug_was_taken_at_home(
    read: Read, said: str, at_home: bool
) -> None:
    assert only(read(order(dosageInstruction=[{"text": said}]))).carries_on is at_home


def test_an_ended_order_keeps_when_its_record_changed(read: Read) -> None:
    stamp = {"meta": {"lastUpdated": "2026-11-20T10:00:00Z"}}
    ended = only(read(order(status="stopped", **stamp)))
    assert ended.changed is not None
    assert ended.changed.isoformat() == "2026-11-20T10:00:00+00:00"
    assert only(read(order(**stamp))).changed is None


# ---- what is never an exposure


@pytest.mark.parametrize(
    "elements",
    [
        {"doNotPerform": True},
        {"intent": "proposal"},
        {"intent": "option"},
        {"status": "draft"},
        {"status": "entered-in-error "},
        {"status": "cancelled"},
        {"resourceType": "MedicationStatement", "status": "not-taken"},
        {"resourceType": "MedicationStatement", "taken": "n"},
        {"resourceType": "MedicationStatement", "wasNotTaken": True},
        {"resourceType": "MedicationAdministration", "status": "not-done"},
        {"resourceType": "MedicationAdministration", "wasNotGiven": True},
        {"subject": {"reference": "Patient/q"}},
        {"resourceType": "Observation"},
    ],
)
def test_what_was_never_given_is_no_exposure(read: Read, elements: dict[str, Any]) -> None:
    assert read(order(**elements)).exposures == ()


@pytest.mark.parametrize(
    "status", ["active", "on-hold", "completed", "stopped", "unknown", "inactive"]
)
def test_the_status_is_passed_on(read: Read, status: str) -> None:
    assert only(read(order(status=status))).status == status


@pytest.mark.parametrize("word", ["x", "ACTIV", "1"])
def test_a_status_or_intent_that_fhir_does_not_have_hides_no_drug(read: Read, word: str) -> None:
    found = only(read(order(status=word, intent=word)))
    assert (names(found), found.status, found.intent) == (["sertraline"], "unknown", "")


@pytest.mark.parametrize(
    "elements", [{"intent": "plan"}, {"intent": None}, {"reportedBoolean": True}]
)
def test_plans_and_reported_orders_are_passed_on_with_their_intent(
    read: Read, elements: dict[str, Any]
) -> None:
    found = only(read(order(**elements)))
    assert (names(found), found.intent) == (["sertraline"], elements.get("intent", "order") or "")


@pytest.mark.parametrize(
    "text", ["Docusate sodium 100 mg capsule", "Levothyroxine sodium 50 mcg", "Heparin sodium"]
)
def test_a_drug_named_with_sodium_is_no_sodium_result_and_no_saline(read: Read, text: str) -> None:
    snapshot = read(order(medicationCodeableConcept={"text": text}))
    assert snapshot.labs == ()
    assert only(snapshot).saline is None


# ---- where the medication stands


@pytest.mark.parametrize(
    "concept",
    [
        SERTRALINE,
        {"text": "Sertraline 50 mg"},
        {"coding": [{"system": RXNORM, "code": "36437"}]},
        {"coding": [{"system": ATC, "code": "N06AB06"}]},
        {"coding": [{"system": RXNORM, "code": "328670", "display": "Sertraline 100MG"}]},
        {
            "coding": [
                {
                    "system": RXNORM,
                    "code": "208149",
                    "display": "Sertraline 100 MG Oral Tablet [Zoloft]",
                }
            ]
        },
        {"coding": {"system": "http://local", "code": "1", "display": "SERTRALINE"}},
        {"coding": [None, {"display": "sertraline"}]},
        [SERTRALINE],
    ],
)
def test_the_medication_in_every_form_of_concept(read: Read, concept: object) -> None:
    assert names(only(read(order(medicationCodeableConcept=concept)))) == ["sertraline"]


@pytest.mark.parametrize(
    "reference",
    [
        "Medication/x",
        f"{BASE}/Medication/x",
        "Medication/x/_history/2",
        "urn:uuid:x",
        "urn:uuid:77aa",
    ],
)
def test_a_referenced_medication_is_found_among_the_includes(read: Read, reference: str) -> None:
    target = medication(code=SERTRALINE)
    request = order(medicationCodeableConcept=None, medicationReference={"reference": reference})
    snapshot = read(request, target, bases=(BASE,), urls={"urn:uuid:77aa": target})
    assert names(only(snapshot)) == ["sertraline"]


def test_a_contained_medication_is_found(read: Read) -> None:
    request = order(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#x"},
        contained=[{"resourceType": "Organization", "id": "o"}, medication(code=SERTRALINE)],
    )
    assert names(only(read(request))) == ["sertraline"]


def test_a_medication_with_nothing_but_an_ingredient_is_found(read: Read) -> None:
    inside = medication(
        ingredient=[{"itemCodeableConcept": {"coding": [{"system": ATC, "code": "N06AB06"}]}}]
    )
    request = order(
        medicationCodeableConcept=None, medicationReference={"reference": "#x"}, contained=[inside]
    )
    assert names(only(read(request))) == ["sertraline"]


def test_an_ingredient_by_reference_is_followed_one_level_and_no_further(read: Read) -> None:
    product = medication(
        id="product", ingredient=[{"itemReference": {"reference": "Medication/part"}}]
    )
    part = medication(
        id="part",
        code=SERTRALINE,
        ingredient=[{"itemReference": {"reference": "Medication/product"}}],
    )
    request = order(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/product"}
    )
    assert names(only(read(request, product, part))) == ["sertraline"]


def test_an_inactive_ingredient_is_no_ingredient(read: Read) -> None:
    inside = medication(
        code={"text": "Study tablet"},
        ingredient=[{"itemCodeableConcept": {"text": "sertraline"}, "isActive": False}],
    )
    request = order(
        medicationCodeableConcept=None, medicationReference={"reference": "#x"}, contained=[inside]
    )
    assert names(only(read(request))) == []


def test_the_strength_of_an_ingredient_tells_hypertonic_saline(read: Read) -> None:
    strength = {"numerator": {"value": 30, "unit": "mg"}, "denominator": {"value": 1, "unit": "mL"}}
    inside = medication(
        code={"text": "Sodium chloride infusion"},
        form={"text": "Solution for infusion"},
        ingredient=[{"itemCodeableConcept": {"text": "sodium chloride"}, "strength": strength}],
    )
    request = order(
        medicationCodeableConcept=None, medicationReference={"reference": "#x"}, contained=[inside]
    )
    saline = only(read(request)).saline
    assert saline is not None
    assert (saline.kind, saline.percent) == ("hypertonic", Decimal(3))


def test_r5_medication_is_read_in_both_its_forms(read: Read) -> None:
    by_concept = order(medicationCodeableConcept=None, medication={"concept": SERTRALINE})
    by_reference = order(
        medicationCodeableConcept=None, medication={"reference": {"reference": "Medication/x"}}
    )
    found = read(by_concept, by_reference, medication(code=SERTRALINE)).exposures
    assert [names(f) for f in found] == [["sertraline"], ["sertraline"]]


def test_a_medication_in_a_shape_nobody_knows_makes_the_source_unreadable_and_not_empty(
    read: Read,
) -> None:
    snapshot = read(order(medicationCodeableConcept=None, medication={"drug": "sertraline"}))
    assert snapshot.missing["medications"] is Missing.VERSION


def test_a_code_without_a_name_is_counted(read: Read) -> None:
    unknown = {"coding": [{"system": "http://local", "code": "4711"}]}
    snapshot = read(order(medicationCodeableConcept=unknown))
    assert only(snapshot).code_only
    assert snapshot.unrecognised == 1


def test_a_coding_that_says_there_is_no_code_is_no_code(read: Read) -> None:
    absent = {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                "code": "unknown",
            }
        ],
        "text": "sertraline 50 mg",
    }
    assert names(only(read(order(medicationCodeableConcept=absent)))) == ["sertraline"]


def test_a_missing_medication_is_wanted_once_and_never_from_elsewhere(
    parts_of: Callable[..., CallRecords],
) -> None:
    def by(reference: object) -> dict[str, Any]:
        return order(medicationCodeableConcept=None, medicationReference={"reference": reference})

    parts = parts_of(
        by("Medication/a"),
        by(f"{BASE}/Medication/a"),
        by("https://canary.test/Medication/b"),
        by("Medication/../../admin"),
        by("Patient/c"),
        by("#gone"),
        by("urn:uuid:9"),
        by(5),
        by("Medication/x"),
        medication(ingredient=[{"itemReference": {"reference": "Medication/part"}}]),
        bases=(BASE,),
    )
    assert wanted_references(parts) == ("Medication/a", "Medication/part")


def test_a_reference_that_stays_open_is_known_by_its_display(read: Read) -> None:
    reference = {"reference": "Medication/gone", "display": "Sertraline 50 mg"}
    found = only(read(order(medicationCodeableConcept=None, medicationReference=reference)))
    assert names(found) == ["sertraline"]


def test_full_urls_keep_what_only_a_bundle_can_name() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": medication()},
            {"fullUrl": "https://ehr.test/fhir/Medication/x", "resource": medication()},
            {"fullUrl": "urn:uuid:2"},
            "x",
        ],
    }
    assert list(full_urls(map(as_resource, [bundle, None, "x"]))) == ["urn:uuid:1"]


def test_a_medication_that_could_not_be_read_counts_as_not_recognised(
    read: Callable[..., Snapshot],
) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
    }
    lost = {**order, "medicationReference": {"reference": "Medication/gone"}}
    named = {
        **order,
        "id": "n",
        "medicationReference": {"reference": "Medication/x", "display": "Sertraline"},
    }
    found = read(lost, named)
    assert found.unrecognised == 1
    assert [(o.unread, [d.name for d in o.drugs]) for o in found.exposures] == [
        (True, []),
        (False, ["sertraline"]),
    ]


@pytest.mark.parametrize(
    ("name", "balanced", "volume"),
    [
        ("Lactated Ringer's IV bolus 1000 mL", True, 1000),
        ("lactated ringers infusion", True, None),
        ("Plasma-Lyte A 500 mL", True, 500),
        ("sodium chloride 0.9 % 1000 mL", False, None),
    ],
)
def test_balanced_fluid_is_volume_given_and_never_saline(
    read: Callable[..., Snapshot], name: str, balanced: bool, volume: int | None
) -> None:
    (order,) = read(
        {
            "resourceType": "MedicationRequest",
            "id": "m",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "medicationCodeableConcept": {"text": name},
        }
    ).exposures
    assert (order.balanced, order.balanced_volume_ml) == (balanced, volume)
    assert (order.saline is None) is balanced


def test_an_order_of_the_list_without_any_medicine_is_not_identified(read: Read) -> None:
    found = only(read(order(medicationCodeableConcept=None)))
    assert found.unidentified


def test_water_by_a_tube_that_runs_is_known_by_the_amount_of_a_day(read: Read) -> None:
    found = only(read(order(medicationCodeableConcept={"text": "water 250 mL per NG tube q4h"})))
    assert (found.tube_water, found.hypotonic_volume_ml) == (True, Decimal(1500))
    assert found.fluid_name is not None
