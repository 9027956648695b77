"""Procedures, allergies, flags and other orders: read for a client whose entry lists them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Allergy, Problem, Snapshot
from cds_service.terminology.codes import SNOMED
from cds_service.trust.registry import ExtraSource
from tests.fhir_resources import (
    NOW,
    Call,
    Resource,
    coded,
    instant,
    medicine,
    named,
    pipeline,
    problem,
    restriction_order,
    sodium,
    taking,
)

PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
CPT = "http://www.ama-assn.org/go/cpt"
SUBJECT = {"reference": "Patient/p1"}
TURP = coded(SNOMED, "90199006")
COMFORT = coded(SNOMED, "133918004", "Comfort measures")
SURGICAL = coded(SNOMED, "387713003", "Surgical procedure")


def procedure(code: dict[str, Any], **more: Any) -> Resource:
    members = {"status": "completed", "subject": SUBJECT, "performedDateTime": instant(hours=5)}
    return named("Procedure", **(members | {"code": code} | more))


def allergy(code: dict[str, Any], *reactions: dict[str, Any], **more: Any) -> Resource:
    members = {"patient": SUBJECT, "code": code, "reaction": list(reactions)}
    return named("AllergyIntolerance", **(members | more))


def flag(code: dict[str, Any], status: str = "active") -> Resource:
    return named("Flag", status=status, code=code, subject=SUBJECT)


def read(*record: Resource, optional: tuple[ExtraSource, ...] = get_args(ExtraSource)) -> Snapshot:
    case = Call(record=(sodium("131"), *record), optional=optional).evaluation().case
    assert case is not None
    return case.snapshot


def done(*record: Resource) -> tuple[Problem, ...]:
    return read(*record).problems


def test_the_registry_may_list_what_services_toml_has_a_query_for() -> None:
    for service in pipeline().knowledge.services.values():
        assert tuple(service.optional) == get_args(ExtraSource)


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        (TURP, "irrigation"),
        (coded(PCS, "0VB08ZZ"), "irrigation"),
        (coded(ICD9, "60.29"), "irrigation"),
        ({"text": "Transurethral resection of prostate"}, "irrigation"),
        (coded(CPT, "52601", "TURP, complete"), "irrigation"),
        ({"text": "Hysteroscopy with endometrial ablation"}, "irrigation"),
        ({"text": "Hysteroskopie"}, "irrigation"),
        (coded(PCS, "10E0XZZ"), "pregnancy-ended"),
        (coded(SNOMED, "11466000", "Cesarean section"), "pregnancy-ended"),
        ({"text": "Kaiserschnitt"}, "pregnancy-ended"),
        (coded(PCS, "00C40ZZ"), "neurosurgery"),
        ({"text": "Right frontal craniotomy"}, "neurosurgery"),
        (coded(PCS, "0GB04ZZ"), "pituitary-surgery"),
        (
            {"text": "Endoscopic transsphenoidal resection of pituitary adenoma"},
            "pituitary-surgery",
        ),
        ({"text": "Total hip replacement"}, "recent-surgery"),
        (coded(PCS, "0SR90JZ"), "recent-surgery"),
    ],
)
def test_a_procedure_counts_like_a_problem_of_its_time(code: dict[str, Any], concept: str) -> None:
    (found,) = done(procedure(code))
    assert concept in found.concepts
    assert (found.done, found.active, found.since) == (True, True, NOW - timedelta(hours=5))


@pytest.mark.parametrize(
    "code",
    [
        {"text": "Insertion of peripheral venous catheter"},
        coded(PCS, "009U3ZX", "Lumbar puncture"),
        coded(PCS, "0BH17EZ", "Insertion of endotracheal airway"),
        coded(ICD9, "96.04", "Insertion of endotracheal tube"),
        {"text": "No craniotomy was done"},
    ],
)
def test_another_procedure_says_nothing(code: dict[str, Any]) -> None:
    assert done(procedure(code)) == ()


def test_the_category_says_that_it_was_surgery() -> None:
    (found,) = done(procedure({"text": "Extraction of lens"}, category=SURGICAL))
    assert found.concepts == {"recent-surgery"}


@pytest.mark.parametrize(
    ("members", "hours"),
    [
        ({"performedDateTime": instant(days=30)}, 720),
        ({"performedDateTime": instant(days=30, hours=1)}, None),
        ({"performedDateTime": None, "performedPeriod": {"start": instant(hours=9)}}, 9),
        (
            {
                "performedDateTime": None,
                "performedPeriod": {"start": instant(hours=9), "end": instant(hours=7)},
            },
            7,
        ),
        ({"performedDateTime": None}, None),
        ({"performedDateTime": "2026"}, None),
        ({"performedDateTime": None, "status": "in-progress"}, 0),
        ({"status": "not-done"}, None),
        ({"status": "preparation"}, None),
        ({"status": "entered-in-error"}, None),
        ({"subject": {"reference": "Patient/other"}}, None),
    ],
)
def test_only_what_was_done_in_the_last_thirty_days_counts(
    members: dict[str, Any], hours: float | None
) -> None:
    found = [one.since for one in done(procedure(TURP, **members))]
    assert found == ([] if hours is None else [NOW - timedelta(hours=hours)])


@pytest.mark.parametrize(
    ("code", "hours", "setting"),
    [
        (TURP, 24, "irrigation"),
        (TURP, 25, None),
        (coded(PCS, "10E0XZZ"), 48, "labor"),
        (coded(PCS, "10E0XZZ"), 49, None),
        ({"text": "Total hip replacement"}, 48, "recent-surgery"),
    ],
)
def test_a_recent_procedure_makes_low_sodium_likely_to_be_acute(
    code: dict[str, Any], hours: float, setting: str | None
) -> None:
    done_then = procedure(code, performedDateTime=instant(hours=hours))
    call = Call(record=(sodium("121"), done_then), optional=("Procedure",))
    case = call.evaluation().case
    assert case is not None
    found = case.acute_setting
    assert (found.name if found is not None else None) == setting


def test_low_sodium_on_a_drug_is_read_of_an_allergy() -> None:
    reaction = {"manifestation": [coded(SNOMED, "89627008", "Hyponatremia")]}
    (found,) = read(
        allergy(medicine("sertraline"), reaction, recordedDate=instant(days=400))
    ).allergies
    assert [drug.name for drug in found.drugs] == ["sertraline"]
    assert found.concepts == {"hyponatremia"}
    assert (found.active, found.recorded) == (True, NOW - timedelta(days=400))


@pytest.mark.parametrize(
    ("resource", "count"),
    [
        (allergy({"text": "Hydrochlorothiazide"}, {"description": "low sodium, hyponatraemia"}), 1),
        (allergy({"text": "HCTZ: hyponatremia"}), 1),
        (allergy({"text": "Peanut"}), 0),
        (allergy(medicine("sertraline"), verificationStatus=coded("x", "refuted")), 0),
        (allergy(medicine("sertraline"), patient={"reference": "Patient/other"}), 0),
    ],
)
def test_an_allergy_counts_if_it_names_a_drug_or_a_problem_of_ours(
    resource: Resource, count: int
) -> None:
    assert len(read(resource).allergies) == count


def test_an_allergy_that_is_over_says_so() -> None:
    (found,) = read(
        allergy(medicine("sertraline"), clinicalStatus=coded("x", "resolved"))
    ).allergies
    assert found == Allergy(drugs=found.drugs, concepts=frozenset(), active=False)


@pytest.mark.parametrize(
    ("resource", "comfort"),
    [
        (flag(COMFORT), True),
        (flag(COMFORT, "inactive"), False),
        (flag(COMFORT, "entered-in-error"), False),
        (flag({"text": "Fall risk"}), False),
    ],
)
def test_comfort_care_may_be_a_flag_of_the_chart(resource: Resource, comfort: bool) -> None:
    call = Call(record=(sodium("121"), resource), optional=("Flag",))
    assert (call.cards() == []) is comfort
    assert replace(call, optional=()).cards() != [], "a client whose entry does not list it"


@pytest.mark.parametrize(
    ("members", "comfort"),
    [
        ({}, True),
        ({"status": "revoked"}, False),
        ({"status": "completed"}, False),
        ({"intent": "proposal"}, False),
        ({"doNotPerform": True}, False),
        ({"code": {"text": "Physiotherapy"}}, False),
    ],
)
def test_comfort_care_may_be_an_order(members: dict[str, Any], comfort: bool) -> None:
    order = {"status": "active", "intent": "order", "code": COMFORT, "authoredOn": instant(hours=9)}
    resource = named("ServiceRequest", subject=SUBJECT, **(order | members))
    call = Call(record=(sodium("121"), resource), optional=("ServiceRequest",))
    assert (call.cards() == []) is comfort
    assert replace(call, optional=()).cards() != []


def test_an_optional_key_that_is_not_listed_is_not_read_from_the_prefetch_either() -> None:
    call = Call(record=(sodium("131"), procedure(TURP)), optional=("Procedure",))
    body = call.body()
    assert "Procedure" in body["prefetch"]
    case = replace(call, optional=()).answer(body).case
    assert case is not None
    assert case.snapshot.problems == ()


def test_an_optional_key_that_failed_is_named_on_the_card_and_withholds_nothing() -> None:
    call = Call(record=(sodium("123"), taking("hydrochlorothiazide", 9)), optional=("Procedure",))
    failed = replace(call, failing=("Procedure",))
    (card,), (other,) = failed.cards(), call.cards()
    assert "Not checked: procedures (error of the record server)" in card.text
    assert (card.restricts, card.stops) == (other.restricts, other.stops)
    assert "Not checked" not in other.text


RESTRICTED = named(
    "ServiceRequest",
    status="active",
    intent="order",
    subject=SUBJECT,
    code={"text": "Fluid restriction 1 L/day"},
)
LIFT = "**Running: Fluid restriction 1 L/day**: lift it?"


@pytest.mark.parametrize(
    ("earlier", "problem_codes", "lifted"),
    [("119", (), True), ("127", ("E22.2",), False), ("127", ("E22.2", "I95.9"), True)],
    ids=["rises too fast", "nothing against it", "hypotension"],
)
def test_a_running_fluid_restriction_is_named_if_it_harms(
    earlier: str, problem_codes: tuple[str, ...], lifted: bool
) -> None:
    record = (
        sodium(earlier, 22),
        sodium("129", 1),
        *(problem(code, 0) for code in problem_codes),
        RESTRICTED,
    )
    cards = Call(record=record, optional=("ServiceRequest",)).cards()
    text = "\n".join(card.detail for card in cards)
    assert (LIFT in text) is lifted
    assert ("runs already" in text) is (not lifted)
    assert (LIFT in cards[0].detail) is lifted
    unread = "\n".join(card.detail for card in Call(record=record).cards())
    assert "Running" not in unread


def test_a_running_restriction_without_words_has_no_name() -> None:
    order = restriction_order("active")
    order["oralDiet"]["type"] = [coded(SNOMED, "226208002")]
    record = (sodium("119", 22), sodium("129", 1), order)
    (card, *_) = Call(record=record, optional=("NutritionOrder",)).cards()
    assert "**Running: a fluid restriction**: lift it?" in card.detail
